// Images: those that can be shown are; for the others, which no page of ours may load, a stand-in says what they are.

import type { Editor, Node } from "@tiptap/core";
import Image, { type ImageOptions } from "@tiptap/extension-image";
import { isSafeUrl } from "./url";

/** What the panel turns into an attachment (event `mailnode:inline-image`). */
export interface InlineImage {
  path: string;
  filename: string;
  /** "" where the name says it. */
  contentType: string;
  cid: string;
}

/** Stores a file beside the flow; `address` is where it can be seen. */
export type StoreFile = (
  file: File,
) => Promise<{ path: string; filename: string; contentType: string; address: string | undefined }>;

export interface PictureOptions {
  /** Gives a data: URL, or an address of this server, of what an address stands for (`cid:logo`), or nothing. */
  shown: (address: string) => string | undefined;
}

export function pictureExtension(options: PictureOptions): Node<ImageOptions> {
  return Image.extend({
    parseHTML: () => [
      { tag: "img[src]", getAttrs: (element) => (isSafeUrl(element.getAttribute("src") ?? "", true) ? null : false) },
    ],
    addNodeView() {
      return ({ node }) => {
        const { src, alt, width, height, each, if: condition } = node.attrs as Record<string, string | null>;
        const address = src ?? "";
        const isLabelled = [each, condition, node.attrs.else].some((said) => typeof said === "string");
        const data = address.startsWith("data:image/") ? address : options.shown(address);
        if (!data) return { dom: standIn(address, alt ?? "") };
        const image = document.createElement("img");
        if (width) image.setAttribute("width", width);
        if (height) image.setAttribute("height", height);
        image.alt = alt ?? "";
        image.src = data;
        return { dom: isLabelled ? labelled(image) : image };
      };
    },
  }).configure({ inline: true, allowBase64: true });
}

/** What has no inside can't show a label. */
function labelled(image: HTMLElement): HTMLElement {
  const place = document.createElement("span");
  place.className = "picture";
  place.append(image);
  return place;
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

/** Store a picked, pasted or dropped image; what is none, or too large for the node, is refused with words for the reader. */
export async function storeImage(
  file: File,
  store: StoreFile,
): Promise<{ image: InlineImage; address: string | undefined }> {
  if (!file.type.startsWith("image/")) throw new Error(`${file.name} is not an image.`);
  const name = file.name || `image.${file.type.slice("image/".length).replace(/\W.*/, "")}`;
  const { address, ...stored } = await store(new File([file], name, { type: file.type }));
  const contentType = stored.contentType === file.type ? "" : file.type;
  return { image: { path: stored.path, filename: stored.filename, contentType, cid: freshCid(name) }, address };
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
