// The theme of Mails, which is Zurb's Ink: its sheets stand where the theme links to them.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import nunjucks from 'nunjucks';

const home = path.dirname(createRequire(import.meta.url).resolve('mails-default/package.json'));
const VALUES = {
  title: 'Hello, Han Fastolfe',
  desc: 'Words & more words, so that there is something to read.',
  site: { name: 'Mails', desc: 'a theme' },
  banner: 'https://example.com/banner.png',
  bannerdesc: 'What the banner shows.',
  subtitle: 'A second title',
  subnote: 'and a note',
  subdesc: 'More of the same.',
  button: { href: 'https://example.com/?a=1&b=2', text: 'Click me' },
  callout: { text: 'Look here:', link: { href: 'https://example.com/look', text: 'Look »' } },
  articles: [1, 2].map((n) => ({
    title: `Article ${n}`,
    note: 'new',
    desc: 'What it says.',
    thumb: n === 1 ? 'https://example.com/thumb.png' : '',
    button: { href: `https://example.com/${n}`, text: 'Read' },
  })),
  contact: {
    link: { header: 'Connect with us:', list: { facebook: 'https://example.com/f', twitter: 'https://example.com/t' } },
    info: { header: 'Contact:', list: { Phone: '408.341.0600', Email: 'jane@example.com' } },
  },
  footer: { Terms: 'https://example.com/terms', Privacy: 'https://example.com/privacy' },
};

export const documents = () => {
  const environment = new nunjucks.Environment(new nunjucks.FileSystemLoader(home), { autoescape: true });
  return ['basic', 'hero', 'newsletter', 'sidebar', 'sidebar-hero'].map((name) => [
    name,
    environment
      .render(`${name}.html`, VALUES)
      .replace(/<link rel="stylesheet" href="([^"]*)" \/>/g, (_, file) => `<style>\n${readFileSync(path.join(home, file), 'utf8')}</style>`),
  ]);
};
