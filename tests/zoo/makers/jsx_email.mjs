// The starter that comes with jsx-email, and documents of all its components.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import * as email from 'jsx-email';
import { createElement as h } from 'react';
import { imported } from '../compiled.mjs';

const { Html, Head, Body, Container, Section, Row, Column, Heading, Text, Link, Button, Butan, Img, Hr, Preview, Font } = email;
const starter = path.join(
  path.dirname(createRequire(import.meta.url).resolve('jsx-email/package.json')),
  'dist',
  'templates',
  'email.mustache',
);
const SHEET = `.muted { color: #777 } .muted a { color: teal; color: oklch(60% 0.1 200) } td.column:first-of-type { background: #eef }
a:hover, a:focus { color: red !important } .page::before { content: "»"; }
@media (max-width: 600px) { .column { display: block !important; width: 100% !important } }
@media (prefers-color-scheme: dark) { .page { background: #222 !important; color: #eee !important } }`;

const page = (head, ...children) => h(Html, { lang: 'en' }, h(Head, null, head), h(Body, { style: { backgroundColor: '#fafafa' } }, ...children));

const COMPONENTS = page(
  [
    h(email.ColorScheme, { key: 1, mode: 'light dark' }),
    h(Font, { key: 2, fontFamily: 'Roboto', fallbackFontFamily: 'Verdana', webFont: { url: 'https://example.com/r.woff2', format: 'woff2' } }),
    h('style', { key: 3, dangerouslySetInnerHTML: { __html: SHEET } }),
  ],
  h(Preview, null, 'What the list shows'),
  h(
    Container,
    { className: 'page' },
    h(Heading, { as: 'h2' }, 'A heading & more'),
    h(Text, { className: 'muted' }, 'Words, “quoted” and ', h(Link, { href: 'https://example.com/?a=1&b=2' }, 'linked')),
    h(Section, null, h(Row, null, h(Column, { className: 'column' }, 'One'), h(Column, { className: 'column' }, 'Two'))),
    h(Img, { src: 'https://example.com/cat.png', alt: 'A cat', width: 300, height: 200 }),
    h(Hr),
    h(Button, { align: 'center', backgroundColor: '#777', textColor: '#fff', borderRadius: 5, height: 60, width: 160, href: 'https://example.com' }, 'Press'),
    h(Butan, { href: 'https://example.com/', style: { background: '#000', color: '#fff', padding: '12px 20px' } }, 'Click'),
  ),
);

const CONDITIONAL = page(
  [
    h(email.Conditional, { key: 1, mso: true, head: true }, h('style', { dangerouslySetInnerHTML: { __html: '.only { width: 600px }' } })),
    h('style', { key: 2, dangerouslySetInnerHTML: { __html: '.only { border: 2px dotted navy } p > b { color: maroon }' } }),
  ],
  h(email.Conditional, { mso: true }, h('p', { className: 'only' }, 'Outlook')),
  h(email.Conditional, { mso: false }, h('p', { className: 'only' }, 'All ', h('b', null, 'others'))),
  h(email.Conditional, { expression: 'lt mso 12' }, h('p', null, 'Old')),
  h(email.Raw, { content: '<![if !vml]><p class=only>Shown<![endif]><!--a comment-->' }),
  h(email.Background, { src: 'https://example.com/back.png', bgColor: '#ccddee', width: 600, height: 120 }, h(Text, null, 'Before a picture')),
  h(email.Graph, { title: 'Figures', config: { type: 'bar', data: { labels: [1, 2], datasets: [{ data: [3, 4] }] } }, width: 300, height: 150 }),
);

const CODE = page(
  h('style', { dangerouslySetInnerHTML: { __html: 'pre { white-space: pre; padding: 8px } blockquote { border-left: 3px solid #ccc } li::marker { color: red }' } }),
  h(email.Code, { language: 'javascript', theme: 'nord' }, 'const a = "<b>";\n\nif (a) {\n  send(a && b);\n}'),
  h(email.Markdown, null, '# A title\n\nWords in **bold**, *italic*, `code`.\n\n- one\n- two\n\n> said\n\n[link](https://example.com/?a=1&b=2)'),
);

const TAILWIND = h(
  email.Tailwind,
  { production: true },
  page(
    null,
    h(
      Container,
      { className: 'mx-auto max-w-md rounded border border-solid border-gray-200 p-5 sm:p-10' },
      h(Heading, { className: 'text-2xl font-bold text-gray-900 dark:text-gray-100' }, 'Tailwind'),
      h(Text, { className: 'text-sm leading-6 text-gray-500 sm:text-base' }, 'Its classes stay, with a sheet.'),
      h(Link, { className: 'rounded bg-indigo-600 px-4 py-2 text-white hover:bg-indigo-500', href: 'https://example.com/' }, 'Go'),
    ),
  ),
);

export const documents = async () => {
  const text = readFileSync(starter, 'utf8').replace(/\{\{\s*(\w+)\s*\}\}/g, (_, name) => (name === 'name' ? 'starter' : ''));
  const { Template } = await imported('jsx_starter.tsx', text);
  const elements = {
    starter: h(Template, { email: 'batman@example.com', name: 'Bruce Wayne' }),
    components: COMPONENTS,
    conditional: CONDITIONAL,
    code: CODE,
    tailwind: TAILWIND,
  };
  const made = [];
  for (const [name, element] of Object.entries(elements)) made.push([name, await email.render(element)]);
  for (const name of ['components', 'conditional']) made.push([`${name}-pretty`, await email.render(elements[name], { pretty: true })]);
  return made;
};
