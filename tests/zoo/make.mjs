// Writes the documents of all makers into a folder, and then a manifest: node make.mjs FOLDER KEY

import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const [folder, key] = process.argv.slice(2);
const makers = readdirSync(path.join(import.meta.dirname, 'makers')).map((file) => path.basename(file, '.mjs'));
const manifest = [];
for (const maker of makers) {
  const { documents } = await import(`./makers/${maker}.mjs`);
  mkdirSync(path.join(folder, maker), { recursive: true });
  for (const [name, html] of await documents()) {
    const file = path.join(maker, `${name}.html`);
    writeFileSync(path.join(folder, file), html);
    manifest.push({ maker, name, file });
  }
}
writeFileSync(path.join(folder, 'manifest.json'), JSON.stringify({ key, documents: manifest }, null, 2));
