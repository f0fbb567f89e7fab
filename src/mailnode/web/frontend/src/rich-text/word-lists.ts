// Word writes a list as paragraphs that say their list, their level and their sign: they become a list.

interface Item {
  paragraph: Element;
  level: number;
  list: string;
  sign: string;
}

const IGNORED = /mso-list\s*:\s*ignore/i;

/** Turn runs of such paragraphs into lists within lists. */
export function makeLists(root: ParentNode): void {
  let run: Item[] = [];
  const end = (): void => {
    if (run.length) replace(run);
    run = [];
  };
  for (const paragraph of root.querySelectorAll("p, h1, h2, h3, h4, h5, h6, div")) {
    const item = itemIn(paragraph);
    const last = run.at(-1)?.paragraph;
    if (item && last && next(last) !== paragraph) end();
    if (item) run.push(item);
    else if (last && !last.contains(paragraph)) end();
  }
  end();
}

function next(element: Element): Element | null {
  return element.nextElementSibling;
}

function itemIn(paragraph: Element): Item | null {
  const said = /mso-list\s*:\s*(l\d+)\s+level(\d+)/i.exec(paragraph.getAttribute("style") ?? "");
  if (!said) return null;
  const [, list = "", level = "1"] = said;
  const marker = [...paragraph.querySelectorAll("[style]")].find((one) =>
    IGNORED.test(one.getAttribute("style") ?? ""),
  );
  const sign = (marker?.textContent ?? "").replace(/\u00a0/g, " ").trim();
  marker?.remove();
  return { paragraph, level: Math.min(9, Number(level)), list, sign };
}

/** Tell the kind of a list by the sign of its first item, and where it begins to count. */
function listFor(sign: string, document: Document): Element {
  const number = /^\(?(\d+|[a-z]|[ivxlc]+)[.)]/i.exec(sign)?.[1];
  const list = document.createElement(number === undefined ? "ul" : "ol");
  if (number === undefined) return list;
  if (/^\d+$/.test(number) && number !== "1") list.setAttribute("start", number);
  const kind = /^i+$|^[ivx]{2,}$/.test(number)
    ? "i"
    : /^I+$|^[IVX]{2,}$/.test(number)
      ? "I"
      : /[a-z]/.test(number)
        ? "a"
        : "A";
  if (!/^\d/.test(number)) list.setAttribute("type", kind);
  return list;
}

function replace(items: Item[]): void {
  const stack: { list: Element; level: number; name: string }[] = [];
  const document = items[0]?.paragraph.ownerDocument;
  for (const { paragraph, level, list: name, sign } of items) {
    if (!document) return;
    while ((stack.at(-1)?.level ?? 0) > level) stack.pop();
    const same = stack.at(-1);
    if (same && stack.length === 1 && same.level === level && same.name !== name) stack.pop();
    let at = stack.at(-1);
    if (!at || at.level < level) {
      const list = listFor(sign, document);
      const outer = at?.list.lastElementChild;
      if (outer) outer.append(list);
      else paragraph.before(list);
      at = { list, level, name };
      stack.push(at);
    }
    const item = document.createElement("li");
    item.append(...paragraph.childNodes);
    at.list.append(item);
    paragraph.remove();
  }
}
