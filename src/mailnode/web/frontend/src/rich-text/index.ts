export function mountRichText(_host: HTMLElement, _options: { paths: () => string[] }): void {}
export function mountCompletion(_input: HTMLInputElement | HTMLTextAreaElement, _paths: () => string[]): void {}
