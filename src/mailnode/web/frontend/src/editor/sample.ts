// The sample `input` and `context`, edited as JSON; what is a JSON object is kept on the server.

import { call, clearProblems, toast, wordsOf, detailOf } from "../api";
import type { Sample } from "../api-types";
import { find } from "../dom";
import { isObject, type Settings } from "./settings";

/** Edit the sample of a flow in place; `changed` hears of each state that can be used. */
export function mountSample(within: ParentNode, sample: Sample, flow: () => string, changed: () => void): void {
  for (const key of ["input", "context"] as const) {
    const area = find<HTMLTextAreaElement>(within, `#sample-${key}`);
    const field = find(within, `.field[data-key="sample.${key}"]`);
    area.value = JSON.stringify(sample[key], null, 2);
    area.addEventListener("input", () => {
      clearProblems(field);
      const parsed = objectIn(area.value);
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
      if (!objectIn(area.value)) return;
      call("PUT /api/flows/{name}/sample", { path: { name: flow() }, body: sample }).catch((problem: unknown) =>
        toast(wordsOf(detailOf(problem))),
      );
    });
  }
}

function objectIn(text: string): Settings | null {
  try {
    const parsed = JSON.parse(text || "{}") as unknown;
    return isObject(parsed) ? parsed : null;
  } catch {
    return null;
  }
}
