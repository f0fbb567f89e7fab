// Runs what needs no browser: all tests as one bundle, since to load a DOM takes longer than they do.

import { spawnSync } from "node:child_process";
import { readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const outfile = join(here, "node_modules", ".tests", "all.mjs");
const files = (await readdir(join(here, "tests"))).filter((file) => file.endsWith(".test.ts"));

await build({
  absWorkingDir: here,
  stdin: { contents: files.map((file) => `import "./tests/${file}";`).join("\n"), resolveDir: here },
  outfile,
  bundle: true,
  format: "esm",
  platform: "node",
  packages: "external",
  sourcemap: "inline",
  logLevel: "warning",
});
const { status } = spawnSync(process.execPath, ["--enable-source-maps", "--test-reporter=dot", outfile], {
  stdio: "inherit",
});
process.exit(status ?? 1);
