// The starters that come with React Email (create-email), and documents of all its components.

import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { createElement as h } from 'react';
import * as email from 'react-email';
import { imported } from '../compiled.mjs';

const { Html, Head, Body, Container, Section, Row, Column, Heading, Text, Link, Button, Img, Hr, Preview, Font } = email;
const starters = path.join(path.dirname(createRequire(import.meta.url).resolve('create-email/package.json')), 'template', 'emails');
const SHEET = `a:hover { color: red } .muted { color: #777; } h1.big { font-size: 30px !important }
@media (max-width: 600px) { .column { display: block !important; width: 100% !important } }
@media (prefers-color-scheme: dark) { body, .page { background: #111 !important; color: #eee !important } }`;

const COMPONENTS = h(
  Html,
  { lang: 'en', dir: 'ltr' },
  h(
    Head,
    null,
    h(Font, { fontFamily: 'Roboto', fallbackFontFamily: 'Verdana', webFont: { url: 'https://example.com/r.woff2', format: 'woff2' } }),
    h('meta', { name: 'color-scheme', content: 'light dark' }),
    h('style', { dangerouslySetInnerHTML: { __html: SHEET } }),
  ),
  h(Preview, null, 'What the list shows'),
  h(
    Body,
    { style: { backgroundColor: '#f6f9fc', margin: '0 auto' } },
    h(
      Container,
      { className: 'page', style: { border: '1px solid #ddd', padding: 20 } },
      h(Heading, { as: 'h1', className: 'big', mt: 10 }, 'A heading & more'),
      h(Text, { className: 'muted', style: { fontSize: 14 } }, 'Words, “quoted” and ', h(Link, { href: 'https://example.com/?a=1&b=2' }, 'linked')),
      h(Section, null, h(Row, null, ...[1, 2].map((n) => h(Column, { key: n, className: 'column', align: 'center' }, h(Text, null, `Column ${n}`))))),
      h(Img, { src: 'https://example.com/cat.png', alt: 'A cat', width: 300, height: 200 }),
      h(Hr),
      h(Button, { href: 'https://example.com/', style: { background: '#000', color: '#fff', padding: '12px 20px' } }, 'Click'),
    ),
  ),
);

const CODE = h(
  Html,
  null,
  h(Head),
  h(
    Body,
    null,
    h(email.CodeInline, null, 'npm ci'),
    h(email.CodeBlock, { code: 'const a = "<b>";\n\nif (a) {\n  send(a && b);\n}', language: 'javascript', theme: email.dracula, lineNumbers: true }),
    h(email.Markdown, null, '# A title\n\nWords in **bold**, *italic*, `code`.\n\n- one\n- two\n\n> said\n\n[link](https://example.com/?a=1&b=2)\n\n| a | b |\n|---|---|\n| 1 | 2 |'),
  ),
);

const TAILWIND = h(
  email.Tailwind,
  null,
  h(
    Html,
    null,
    h(Head),
    h(
      Body,
      { className: 'bg-white dark:bg-black font-sans' },
      h(
        Container,
        { className: 'mx-auto max-w-md rounded border border-solid border-gray-200 p-5 sm:p-10' },
        h(Heading, { className: 'text-2xl font-bold text-gray-900 dark:text-white' }, 'Tailwind'),
        h(Text, { className: 'text-sm leading-6 text-gray-500 sm:text-base' }, 'Its classes become styles, and some stay.'),
        h(Button, { className: 'rounded bg-indigo-600 px-4 py-2 text-white hover:bg-indigo-500', href: 'https://example.com/' }, 'Go'),
      ),
    ),
  ),
);

export const documents = async () => {
  const made = [];
  for (const file of readdirSync(starters).filter((name) => name.endsWith('.tsx'))) {
    const { default: Template } = await imported(path.join(starters, file));
    made.push([path.basename(file, '.tsx'), await email.render(h(Template, Template.PreviewProps))]);
  }
  for (const [name, element] of Object.entries({ components: COMPONENTS, code: CODE, tailwind: TAILWIND })) {
    made.push([name, await email.render(element)]);
    made.push([`${name}-pretty`, await email.render(element, { pretty: true })]);
  }
  return made;
};
