// What the scripts want of a browser, where there is none: import it before them.

import { JSDOM } from "jsdom";

const { window } = new JSDOM("<!doctype html>");
const names = [
  "CharacterData",
  "Comment",
  "DOMParser",
  "DocumentType",
  "Element",
  "HTMLTemplateElement",
  "Node",
  "NodeFilter",
  "Text",
  "document",
  "window",
];
for (const name of names)
  Object.defineProperty(globalThis, name, { value: window[name] as unknown, configurable: true });
