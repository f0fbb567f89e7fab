// What Bootstrap Email makes of its own examples: they lie in its package, so nothing of it is run.

import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const home = path.dirname(createRequire(import.meta.url).resolve('bootstrap-email/package.json'));

export const documents = () => {
  const folder = path.join(home, 'examples', 'output');
  return readdirSync(folder)
    .filter((file) => file.endsWith('.html'))
    .map((file) => [path.basename(file, '.html'), readFileSync(path.join(folder, file), 'utf8')]);
};
