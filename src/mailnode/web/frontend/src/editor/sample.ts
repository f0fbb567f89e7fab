// The sample `input` and `context`: as JSON, and the values that the flow names as fields beside the preview.

import { call, clearProblems, toast, wordsOf, detailOf } from "../api";
import type { FlowContent, Sample } from "../api-types";
import { element, find } from "../dom";
import { jsonObject } from "../json";
import { placesNamed, withSkeleton } from "./sample-skeleton";
import { isObject, type Settings, textOf } from "./settings";

const MOST_FIELDS = 12;

export interface SampleEditor {
  /** Put an empty value where the flow names one that the sample lacks. */
  fill: () => void;
  /** Show the values that the flow names now. */
  showUsed: () => void;
}

/** Edit the sample of a flow in place; `changed` hears of each state that can be used. */
export function mountSample(
  within: ParentNode,
  sample: Sample,
  name: () => string,
  flow: () => FlowContent | null,
  changed: () => void,
): SampleEditor {
  const areas = new Map<keyof Sample, HTMLTextAreaElement>();
  const show = (): void => {
    for (const [key, area] of areas) area.value = JSON.stringify(sample[key], null, 2);
  };
  const store = (): void => {
    call("PUT /api/flows/{name}/sample", { path: { name: name() }, body: sample }).catch((problem: unknown) =>
      toast(wordsOf(detailOf(problem))),
    );
  };
  for (const key of ["input", "context"] as const) {
    const area = find<HTMLTextAreaElement>(within, `#sample-${key}`);
    const field = find(within, `.field[data-key="sample.${key}"]`);
    areas.set(key, area);
    area.addEventListener("input", () => {
      clearProblems(field);
      const parsed = jsonObject(area.value);
      if (parsed) {
        sample[key] = parsed;
        changed();
        return;
      }
      const error = find<HTMLElement>(field, ".error");
      error.textContent = 'Enter a JSON object, such as {"email": "jane@example.org"}.';
      error.hidden = false;
      area.ariaInvalid = "true";
    });
    area.addEventListener("change", () => {
      if (jsonObject(area.value)) store();
    });
  }
  show();
  const values = new ValueFields(find(within, "[data-sample-values]"), sample, (isDone) => {
    show();
    changed();
    if (isDone) store();
  });
  return {
    fill() {
      const document = flow();
      if (!document) return;
      Object.assign(sample, withSkeleton(sample, document));
      show();
      values.show(document);
      store();
      changed();
    },
    showUsed: () => values.show(flow()),
  };
}

/** A field for each text or number of the sample that the flow names; lists are edited as JSON. */
class ValueFields {
  private shown = "";

  constructor(
    private readonly place: HTMLElement,
    private readonly sample: Sample,
    private readonly changed: (isDone: boolean) => void,
  ) {}

  show(flow: FlowContent | null): void {
    const named = flow ? placesNamed(flow).filter((path) => !isComposed(this.at(path))) : [];
    const places = named.slice(0, MOST_FIELDS);
    const key = JSON.stringify(places);
    const list = find(this.place, "[data-values]");
    // A field that is being filled in stays under the hand.
    if (key !== this.shown && list.contains(document.activeElement)) return;
    if (key !== this.shown) list.replaceChildren(...places.map((path, index) => this.field(path, index)));
    this.shown = key;
    this.place.hidden = places.length === 0;
    for (const [index, input] of [...list.querySelectorAll("input")].entries()) {
      if (input !== document.activeElement) input.value = textOf(this.at(places[index] ?? []));
    }
  }

  private field(path: string[], index: number): HTMLElement {
    const input = element("input", { id: `sample-value-${index}`, autocomplete: "off", spellcheck: false });
    input.addEventListener("input", () => this.write(path, input.value));
    input.addEventListener("change", () => this.changed(true));
    const label = element("label", { htmlFor: input.id, className: "mono", textContent: path.join(".") });
    return element("div", { className: "field" }, label, input);
  }

  private at(path: string[]): unknown {
    let at: unknown = this.sample;
    for (const step of path) at = isObject(at) && Object.hasOwn(at, step) ? at[step] : undefined;
    return at;
  }

  private write(path: string[], text: string): void {
    let at = this.sample as unknown as Settings;
    for (const step of path.slice(0, -1)) {
      const next = Object.hasOwn(at, step) ? at[step] : undefined;
      at = isObject(next) ? next : (at[step] = {});
    }
    const last = path.at(-1) ?? "";
    const isText = typeof at[last] === "string" || at[last] === undefined;
    at[last] = isText ? text : valueOf(text);
    this.changed(false);
  }
}

function isComposed(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}

/** What was a number, a list or the like stays one where the text is one. */
function valueOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
