// Elements found and made.

/** Find what a template is known to have. */
export function find<T extends HTMLElement>(within: ParentNode, selector: string): T {
  const found = within.querySelector<T>(selector);
  if (!found) throw new Error(`the page has no ${selector}`);
  return found;
}

/** Copy the first element of a `<template>`. */
export function copyOf(template: string): HTMLElement {
  const { content } = find<HTMLTemplateElement>(document, template);
  return find(content.cloneNode(true) as DocumentFragment, "*");
}

export function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  properties: Partial<HTMLElementTagNameMap[K]> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** Listen with work that takes its time; what goes wrong in it is said by the work itself, or is a defect. */
export function on<K extends keyof HTMLElementEventMap>(
  target: HTMLElement,
  kind: K,
  work: (event: HTMLElementEventMap[K]) => Promise<unknown>,
): void {
  target.addEventListener(kind, (event) => void work(event));
}
