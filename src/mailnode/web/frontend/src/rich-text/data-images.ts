// Images that stand in what was pasted itself (data:): they become files beside the flow, as other images do.

import type { Editor } from "@tiptap/core";

const DATA_IMAGE = /^data:(image\/[\w.+-]+);base64,([A-Za-z0-9+/=\s]+)$/;

/** The addresses of all such images in a document. */
export function dataImagesOf(editor: Editor): Set<string> {
  const found = new Set<string>();
  editor.state.doc.descendants((node) => {
    const src: unknown = node.type.name === "image" ? node.attrs.src : undefined;
    if (typeof src === "string" && DATA_IMAGE.test(src)) found.add(src);
  });
  return found;
}

/** Make a file of such an address; null if it can't be read. */
export function fileOf(address: string): File | null {
  const [, type = "", encoded = ""] = DATA_IMAGE.exec(address) ?? [];
  try {
    const octets = Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
    return new File([octets], `image.${type.slice("image/".length).replace(/\W.*/, "")}`, { type });
  } catch {
    return null;
  }
}

/** Let each image of an address have another one; that is no step to undo. */
export function readdress(editor: Editor, from: string, to: string): void {
  const { tr } = editor.state;
  tr.doc.descendants((node, position) => {
    if (node.type.name === "image" && node.attrs.src === from) tr.setNodeAttribute(position, "src", to);
  });
  editor.view.dispatch(tr.setMeta("addToHistory", false));
}
