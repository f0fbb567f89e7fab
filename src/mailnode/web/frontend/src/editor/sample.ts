// The sample `input` and `context`, edited as JSON; what is a JSON object is kept on the server.

import { call, clearProblems, toast } from "../api";
import { isObject, type Sample, type Settings } from "./model";

/** Edit a sample in place; `changed` hears of each state that can be used, and `path` is where it is kept. */
export function mountSample(within: ParentNode, sample: Sample, path: () => string, changed: () => void): void {
  for (const key of ["input", "context"] as const) {
    const area = within.querySelector<HTMLTextAreaElement>(`#sample-${key}`)!;
    const field = area.closest<HTMLElement>(".field")!;
    area.value = JSON.stringify(sample[key], null, 2);
    area.addEventListener("input", () => {
      clearProblems(field);
      const parsed = objectIn(area.value);
      if (parsed) {
        sample[key] = parsed;
        changed();
        return;
      }
      const error = field.querySelector<HTMLElement>(".error")!;
      error.textContent = 'a JSON object is wanted, such as {"email": "jane@example.org"}';
      error.hidden = false;
      area.ariaInvalid = "true";
    });
    area.addEventListener("change", () => {
      if (objectIn(area.value)) call("PUT", path(), sample).catch((problem: unknown) => toast(String(problem)));
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
