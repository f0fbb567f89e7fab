// Covalent's letters, of its own MJML. Its package looks for a browser as it is loaded.

import { createRequire } from 'node:module';

export const documents = () => {
  globalThis.window = {};
  const covalent = createRequire(import.meta.url)('@covalent/email-templates');
  delete globalThis.window;
  return covalent
    .getEmailTemplates()
    .map(({ name, content }) => [name.toLowerCase().replaceAll(' ', '-'), covalent.getHtmlTemplate(content)]);
};
