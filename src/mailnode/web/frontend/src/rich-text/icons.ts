// The signs on the tools: strokes in a box of 16 by 16.

const STROKES: Record<string, string> = {
  undo: "M6 3 2.5 6.5 6 10 M2.5 6.5 H10 A3.5 3.5 0 0 1 10 13.5 H6",
  redo: "M10 3 13.5 6.5 10 10 M13.5 6.5 H6 A3.5 3.5 0 0 0 6 13.5 H10",
  bullets: "M6.5 3.5 H14 M6.5 8 H14 M6.5 12.5 H14 M2.5 3.5 H3 M2.5 8 H3 M2.5 12.5 H3",
  numbers: "M7 3.5 H14 M7 8 H14 M7 12.5 H14 M2 2.5 3.2 2 V5 M2 10.8 C2 9.6 4.2 9.6 4.2 10.9 C4.2 11.8 2 13 2 13.8 H4.4",
  left: "M2 3.5 H14 M2 6.5 H9 M2 9.5 H14 M2 12.5 H9",
  center: "M2 3.5 H14 M4.5 6.5 H11.5 M2 9.5 H14 M4.5 12.5 H11.5",
  right: "M2 3.5 H14 M7 6.5 H14 M2 9.5 H14 M7 12.5 H14",
  link: "M6.5 9.5 9.5 6.5 M7 4.5 8.6 2.9 A3 3 0 0 1 13 7.3 L11.4 8.9 M9 11.5 7.4 13.1 A3 3 0 0 1 3 8.7 L4.6 7.1",
  image: "M2 3 H14 V13 H2 Z M2 11 6 7.5 9 10.5 11 8.5 14 11 M10.5 5.5 H10.6",
  table: "M2 3 H14 V13 H2 Z M2 6.5 H14 M2 9.8 H14 M6 3 V13 M10 3 V13",
  quote: "M2.5 3 V13 M6 4 H14 M6 8 H14 M6 12 H11",
  rule: "M2 8 H14 M4 3.5 H12 M4 12.5 H12",
  button:
    "M3.5 4.5 H12.5 A1.5 1.5 0 0 1 14 6 V10 A1.5 1.5 0 0 1 12.5 11.5 H3.5 A1.5 1.5 0 0 1 2 10 V6 A1.5 1.5 0 0 1 3.5 4.5 Z M5.5 8 H10.5",
  copy: "M5.5 5.5 H13.5 V13.5 H5.5 Z M10.5 5.5 V2.5 H2.5 V10.5 H5.5",
  grip: "M6 3 H6.1 M10 3 H10.1 M6 8 H6.1 M10 8 H10.1 M6 13 H6.1 M10 13 H10.1",
  clear: "M4 3 H13 M8.5 3 6.5 9 M2 13 H7 M9.5 9.5 13.5 13.5 M13.5 9.5 9.5 13.5",
  source: "M5 4 1.5 8 5 12 M11 4 14.5 8 11 12 M9.3 3 6.7 13",
  repeat: "M11 1.5 13.5 4 11 6.5 M13.5 4 H5.5 A3 3 0 0 0 2.5 7 M5 14.5 2.5 12 5 9.5 M2.5 12 H10.5 A3 3 0 0 0 13.5 9",
  condition: "M8 14 V8.5 M8 8.5 3.5 4.5 M8 8.5 12.5 4.5 M3.5 7.5 V4.5 H6.5 M9.5 4.5 H12.5 V7.5",
  moveUp: "M8 13 V3 M4 7 8 3 12 7",
  moveDown: "M8 3 V13 M4 9 8 13 12 9",
  full: "M2.5 6 V2.5 H6 M10 2.5 H13.5 V6 M13.5 10 V13.5 H10 M6 13.5 H2.5 V10",
  rowAbove: "M2 8 H14 V13.5 H2 Z M8 2 V6 M6 4 H10",
  rowBelow: "M2 2.5 H14 V8 H2 Z M8 10 V14 M6 12 H10",
  rowGone: "M2 5.5 H14 V10.5 H2 Z M6 6.7 10 9.3 M10 6.7 6 9.3",
  columnBefore: "M8 2 H13.5 V14 H8 Z M2 8 H6 M4 6 V10",
  columnAfter: "M2.5 2 H8 V14 H2.5 Z M10 8 H14 M12 6 V10",
  columnGone: "M5.5 2 H10.5 V14 H5.5 Z M6.7 6 9.3 10 M9.3 6 6.7 10",
  headRow: "M2 3 H14 V13 H2 Z M2 7 H14 M2 5 H14",
  tableGone: "M2 3 H14 V13 H2 Z M5 5.5 11 10.5 M11 5.5 5 10.5",
};

const SVG = "http://www.w3.org/2000/svg";

export function iconOf(name: string): SVGElement | null {
  const strokes = STROKES[name];
  if (!strokes) return null;
  const icon = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  icon.setAttribute("viewBox", "0 0 16 16");
  icon.setAttribute("aria-hidden", "true");
  path.setAttribute("d", strokes);
  icon.append(path);
  return icon;
}
