// The template of parse-smtp-template, which is Cerberus.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const VALUES = {
  appName: 'Example',
  link: 'https://example.com/verify?token=1&username=jane',
  username: 'jane',
};

export const documents = () => {
  const file = createRequire(import.meta.url).resolve('parse-smtp-template/templates/main.html');
  const html = readFileSync(file, 'utf8').replace(/\$\{(\w+)\}/g, (_, name) => VALUES[name] ?? `what ${name} says`);
  return [['main', html]];
};
