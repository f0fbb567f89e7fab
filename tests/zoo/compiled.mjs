// Modules in TypeScript and JSX, compiled into the folder that this program writes, from where packages are found.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { transformSync } from 'esbuild';

export const imported = (file, text = readFileSync(file, 'utf8')) => {
  const folder = path.join(import.meta.dirname, 'made', 'compiled');
  mkdirSync(folder, { recursive: true });
  const compiled = path.join(folder, `${path.basename(file, path.extname(file))}.mjs`);
  writeFileSync(compiled, transformSync(text, { loader: 'tsx', jsx: 'automatic', format: 'esm' }).code);
  return import(pathToFileURL(compiled));
};
