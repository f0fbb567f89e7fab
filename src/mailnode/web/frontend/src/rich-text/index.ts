// Rich text for the HTML content of a mail, and completion for every field that takes expressions.
//
//   mountRichText(host, { paths, image?, store })   host wraps <textarea name="content">, whose id, label and description it takes
//       The textarea holds what is stored, byte for byte until something is changed; each change fires `input` on it.
//       `paths()` gives what expressions may begin with, from the sample: ["input", "input.name", "context.order.id"].
//       `image("cid:logo")` may give an address of this server or a data: URL, to show an image of an attachment.
//       `store(file)` stores an image beside the flow.
//       A file that was picked, pasted or dropped fires `mailnode:inline-image` on the host (it bubbles), with
//       detail { path, filename, contentType, cid }: make it an attachment; <img src="cid:..."> stands in the text.
//       The host says data-mode="rich" or "source". The answer has refresh(), for a value that was set from outside,
//       and destroy().
//   mountCompletion(input, paths)            typing {{ in a text field or textarea offers the paths

import { RichText, type RichTextOptions } from "./rich-text";

export { mountCompletion } from "./completion";
export type { InlineImage } from "./picture";
export type { RichText, RichTextOptions };

export function mountRichText(host: HTMLElement, options: RichTextOptions): RichText {
  return new RichText(host, options);
}
