// Bundles what the browser loads into ../static: one entry, a chunk for each page, one style sheet.

import { copyFile, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "..", "static");

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
const { metafile } = await build({
  metafile: true,
  absWorkingDir: here,
  entryPoints: { main: "src/main.ts" },
  outdir: out,
  bundle: true,
  format: "esm",
  splitting: true,
  chunkNames: "chunk-[name]-[hash]",
  minify: true,
  target: "es2022",
  logLevel: "warning",
});
await build({
  absWorkingDir: here,
  entryPoints: { main: "src/look/main.css" },
  outdir: out,
  bundle: true,
  minify: true,
  target: "chrome123",
  logLevel: "warning",
});
await copyFile(join(here, "src", "look", "icon.svg"), join(out, "icon.svg"));

// Whoever gets the bundle gets the licences of what is in it.
const folders = Object.keys(metafile.inputs).map((path) => path.match(/^node_modules\/(?:@[^/]+\/)?[^/]+/)?.[0]);
const notices = [];
for (const folder of [...new Set(folders)].filter(Boolean).sort()) {
  const about = JSON.parse(await readFile(join(here, folder, "package.json"), "utf8"));
  const file = (await readdir(join(here, folder))).find((name) => /^licen[cs]e/i.test(name));
  const text = file ? await readFile(join(here, folder, file), "utf8") : `Licence: ${about.license}\n`;
  notices.push(`${about.name} ${about.version}\n${"=".repeat(72)}\n${text.trim()}\n`);
}
await writeFile(join(out, "LICENSES.txt"), notices.join("\n\n"));
