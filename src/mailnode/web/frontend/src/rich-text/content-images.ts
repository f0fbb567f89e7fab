// Images that come into the content: each is stored, and stands in it by its address as an attachment.

import type { Editor } from "@tiptap/core";
import { Problem, toast, wordsOf } from "../api";
import { dataImagesOf, fileOf, readdress } from "./data-images";
import { type InlineImage, type StoreFile, storeImage } from "./picture";

export class ContentImages {
  private readonly pictures = new Map<string, string>();
  /** Images of data: addresses that stay so: what was opened with them, and what could not be stored. */
  private known = new Set<string>();

  /** `host` is told of each image that is stored; `current` gives the editor that is open now. */
  constructor(
    private readonly host: HTMLElement,
    private readonly store: StoreFile,
    private readonly current: () => Editor | null,
  ) {}

  /** Give where an image's address leads, if it was stored here. */
  shown(address: string): string | undefined {
    return this.pictures.get(address);
  }

  /** Leave the images that an editor opens with as they are. */
  opened(editor: Editor): void {
    this.known = dataImagesOf(editor);
  }

  async take(files: File[], alt = ""): Promise<void> {
    for (const file of files) {
      const src = await this.attach(file);
      if (src) this.current()?.chain().focus().insertContent({ type: "image", attrs: { src, alt } }).run();
    }
  }

  /** Store the images that came with what was pasted. */
  async takeData(editor: Editor): Promise<void> {
    for (const address of dataImagesOf(editor)) {
      if (this.known.has(address)) continue;
      this.known.add(address);
      const file = fileOf(address);
      const src = file && (await this.attach(file));
      if (src && editor === this.current()) readdress(editor, address, src);
    }
  }

  /** Store an image and have it attached; gives its address, null after words for the reader. */
  private async attach(file: File): Promise<string | null> {
    try {
      const { image, address } = await storeImage(file, this.store);
      const src = `cid:${image.cid}`;
      if (address) this.pictures.set(src, address);
      this.host.dispatchEvent(new CustomEvent<InlineImage>("mailnode:inline-image", { bubbles: true, detail: image }));
      return src;
    } catch (error) {
      toast(error instanceof Problem ? wordsOf(error) : error instanceof Error ? error.message : String(error));
      return null;
    }
  }
}
