// A button beside each field that takes expressions, for those who do not know that {{ offers them.

import { expressionEnd } from "./expression";
import { ask, type Question } from "./question-dialog";

/** What is asked where an expression is to be put in. */
export function valueQuestion(before: string, closer = "}}"): Question {
  return {
    title: before ? "Edit value" : "Insert value",
    fields: [
      {
        name: "expression",
        label: "Value (an expression in JavaScript)",
        value: before,
        hint: 'A value of the sample data, such as input.name, or more: context.order?.id ?? "none".',
        completes: "bare",
      },
    ],
    confirm: before ? "Change" : "Insert",
    ...(before ? { remove: "Remove" } : {}),
    check: ({ values: { expression = "" } }) =>
      expressionEnd(` ${expression} ${closer}`, 0, closer) === expression.length + 2 && expression
        ? null
        : ["expression", "This is not a complete expression. Check its quotes and brackets."],
  };
}

/** Put the button into the field; what is chosen goes to where the cursor was. */
export function mountInsertValue(input: HTMLInputElement | HTMLTextAreaElement, paths: () => string[]): void {
  const name = nameOf(input);
  const place = document.createElement("span");
  const button = document.createElement("button");
  place.className = "with-insert";
  button.type = "button";
  button.className = "insert-value";
  button.textContent = "{{ }}";
  button.title = "Insert value";
  button.ariaLabel = name ? `Insert value: ${name}` : "Insert value";
  button.addEventListener("click", () => void insert(input, paths));
  // A label around the field names the field alone.
  if (input.closest("label") && !input.ariaLabel) input.ariaLabel = name;
  input.replaceWith(place);
  place.append(input, button);
}

async function insert(input: HTMLInputElement | HTMLTextAreaElement, paths: () => string[]): Promise<void> {
  const [start, end] = [input.selectionStart ?? input.value.length, input.selectionEnd ?? input.value.length];
  const answer = await ask(valueQuestion(""), paths);
  input.focus();
  if (!answer) return;
  input.setRangeText(`{{ ${answer.values.expression ?? ""} }}`, start, end, "end");
  input.dispatchEvent(new Event("input", { bubbles: true }));
}

function nameOf(input: HTMLInputElement | HTMLTextAreaElement): string {
  const label = [...(input.labels ?? [])].map(({ textContent }) => textContent.replace(/\s*\*\s*$/, "").trim());
  return input.ariaLabel ?? label.join(" ");
}
