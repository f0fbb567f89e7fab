// Templates and visual tests of Foundation for Emails, in the tables that Inky makes of them, with the style sheet.

import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const require = createRequire(import.meta.url);
const { Inky } = require('inky');
const home = path.dirname(require.resolve('foundation-emails/package.json'));
const read = (...parts) => readFileSync(path.join(home, ...parts), 'utf8');

export const documents = () => {
  const inky = new Inky();
  const sheet = `<style type="text/css">\n${read('dist', 'foundation-emails.css')}</style>`;
  const frame = read('test', 'visual', '_template.html').replace(/<link rel="stylesheet"[^>]*>/, () => sheet);
  return [
    ['templates', ''],
    [path.join('test', 'visual', 'pages'), 'page-'],
  ].flatMap(([folder, prefix]) =>
    readdirSync(path.join(home, folder))
      .filter((file) => file.endsWith('.html') && file !== 'index.html')
      .map((file) => [
        `${prefix}${path.basename(file, '.html')}`,
        inky.releaseTheKraken(frame.replace('<%= contents %>', () => read(folder, file))),
      ]),
  );
};
