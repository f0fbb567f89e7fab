// Files that are stored beside the flow: checked first, then sent as they are. The flow only names them.

import { at } from "../base-path";
import { call, Problem } from "../api";
import type { StoredFile } from "../api-types";
import { type Settings, textOf } from "./settings";

const MEGABYTE = 1024 * 1024;
const USUAL_MEGABYTES = 10;
// A digest is made of a file that is in memory as a whole.
const MOST_DIGESTED = 64 * MEGABYTE;
const IMAGE = /\.(?:png|jpe?g|gif|webp|svg|avif|bmp)$/i;
const DIGEST = /^[0-9a-f]{32}-(?=.)/;

/** Store a file for a node of these settings; a Problem says what is wrong with it. */
export async function storeFile(flow: string, file: File, settings: Settings): Promise<StoredFile> {
  const most = Number(settings.maxAttachmentMB ?? USUAL_MEGABYTES) || USUAL_MEGABYTES;
  if (file.size > most * MEGABYTE) {
    throw new Problem({
      message: `${file.name} has ${shown(file.size)} MB. The limit of this node is ${most} MB.`,
      hint: "Raise Maximum attachment size (MB) under Settings, or link to the file in the content.",
    });
  }
  if (file.size === 0) throw new Problem({ message: `${file.name} is empty.`, hint: "Choose another file." });
  const digest = file.size <= MOST_DIGESTED ? { "Content-Digest": await digestOf(file) } : undefined;
  return call("POST /api/flows/{name}/files", {
    path: { name: flow },
    query: { filename: file.name, maxAttachmentMB: String(most) },
    file,
    ...(digest ? { headers: digest } : {}),
  });
}

/** Give the address of a stored image, to show it; undefined for what is no image. */
export function imageAddress(flow: string, path: unknown): string | undefined {
  const name = textOf(path).replace(/^files\//, "");
  if (!IMAGE.test(name)) return undefined;
  return at(`/api/flows/${encodeURIComponent(flow)}/files/${encodeURIComponent(name)}`);
}

/** Give the name of a stored file without its digest. */
export function plainName(path: string): string {
  return path.replace(/^files\//, "").replace(DIGEST, "");
}

function shown(size: number): string {
  return String(Math.ceil((size / MEGABYTE) * 10) / 10);
}

async function digestOf(file: File): Promise<string> {
  let octets: ArrayBuffer;
  try {
    octets = await file.arrayBuffer();
  } catch {
    throw new Problem({ message: `${file.name} can't be read.`, hint: "It may have been moved: choose it again." });
  }
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", octets));
  return `sha-256=:${btoa(String.fromCharCode(...digest))}:`;
}
