// Bundles what the browser loads into ../static: one entry, a chunk for each page, one style sheet.

import { copyFile, mkdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "..", "static");

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
await build({
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
