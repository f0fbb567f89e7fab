// The editor's schema without an editor, and stored HTML led through it.

import { getSchema } from "@tiptap/core";
import { readStored, writeStored } from "../src/rich-text/stored-html";
import { extensionsOf } from "../src/rich-text/surface";

export const schema = getSchema(
  extensionsOf({
    place: document.createElement("div"),
    paths: () => [],
    shown: () => undefined,
    attributes: {},
    takeImages: () => undefined,
    takeDocument: () => undefined,
    mayLose: () => Promise.resolve(true),
    editDirectives: () => undefined,
    keys: {},
  }),
);

export function roundTrip(html: string): string {
  return writeStored(readStored(schema, html));
}
