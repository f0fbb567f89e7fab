// Images: those that can be shown are; for the others, which no page of ours may load, a stand-in says what they are.

import type { Editor, Node } from "@tiptap/core";
import Image, { type ImageOptions } from "@tiptap/extension-image";
import { isSafeUrl } from "./url";

const TOO_BIG = 10 * 1024 * 1024;

/** What the panel turns into an attachment (event `mailnode:inline-image`). */
export interface InlineImage {
  filename: string;
  contentType: string;
  base64: string;
  cid: string;
}

export interface PictureOptions {
  /** Gives a data: URL of what an address stands for (`cid:logo`), or nothing. */
  shown: (address: string) => string | undefined;
}

export function pictureExtension(options: PictureOptions): Node<ImageOptions> {
  return Image.extend({
    parseHTML: () => [
      { tag: "img[src]", getAttrs: (element) => (isSafeUrl(element.getAttribute("src") ?? "", true) ? null : false) },
    ],
    addNodeView() {
      return ({ node }) => {
        const { src, alt, width, height } = node.attrs as Record<string, string | null>;
        const address = src ?? "";
        const data = address.startsWith("data:image/") ? address : options.shown(address);
        if (!data) return { dom: standIn(address, alt ?? "") };
        const image = document.createElement("img");
        if (width) image.setAttribute("width", width);
        if (height) image.setAttribute("height", height);
        image.alt = alt ?? "";
        image.src = data;
        return { dom: image };
      };
    },
  }).configure({ inline: true, allowBase64: true });
}

function standIn(address: string, alt: string): HTMLElement {
  const place = document.createElement("span");
  place.className = "stand-in";
  place.role = "img";
  place.ariaLabel = alt || `Image ${address}`;
  place.title = address;
  place.textContent = alt || address;
  return place;
}

/** Read a picked, pasted or dropped image; what is none, or too big for a mail, is refused with words for the reader. */
export async function readImage(file: File): Promise<InlineImage> {
  if (!file.type.startsWith("image/")) throw new Error(`${file.name} is not an image.`);
  if (file.size > TOO_BIG) throw new Error(`${file.name} is larger than 10 MB.`);
  const octets = new Uint8Array(await file.arrayBuffer());
  let binary = "";
  for (let at = 0; at < octets.length; at += 0x8000) binary += String.fromCharCode(...octets.subarray(at, at + 0x8000));
  const name = file.name || `image.${file.type.slice("image/".length).replace(/\W.*/, "")}`;
  return { filename: name, contentType: file.type, base64: btoa(binary), cid: freshCid(name) };
}

/** A name of its own, so that two images never stand for one another. */
function freshCid(filename: string): string {
  const stem =
    filename
      .replace(/\.\w+$/, "")
      .replace(/[^\w-]+/g, "-")
      .toLowerCase() || "image";
  const random = [...crypto.getRandomValues(new Uint8Array(4))].map((octet) => octet.toString(16).padStart(2, "0"));
  return `${stem}-${random.join("")}`;
}

export function imageFilesOf(data: DataTransfer | null): File[] {
  return [...(data?.files ?? [])].filter((file) => file.type.startsWith("image/"));
}

/** The image that is selected, if one is. */
export function selectedImage(editor: Editor): Record<string, string | null> | null {
  return editor.isActive("image") ? (editor.getAttributes("image") as Record<string, string | null>) : null;
}
