// The widget of each kind of field.

import type { Connection, EmailService, Sample } from "../api-types";
import { find } from "../dom";
import { automaticAt } from "../connections/tls";
import { mountAttachments } from "./attachments";
import { mountConnection } from "./connection";
import { mountHeaders } from "./headers";
import { mountLayout } from "./layout";
import { mountPicker } from "./picker";
import { mountService } from "./service";
import { read, type Settings, textOf } from "./settings";

/** A field of the panel: it shows a setting, and gives what the reader made of it (undefined: left out). */
export interface Widget {
  show(value: unknown): void;
  value(): unknown;
  /** Another field has changed on which this one depends. */
  renew?(): void;
}

/** What a field may need beside its own value. */
export interface Surroundings {
  services: EmailService[];
  connections: Connection[];
  layouts: string[];
  sample: () => Sample;
  settings: () => Settings;
  /** The name of the flow, as it is stored. */
  flow: () => string;
}

export function mountWidget(field: HTMLElement, around: Surroundings): Widget {
  switch (field.dataset.kind) {
    case "switch":
      return switched(find<HTMLInputElement>(field, "input"));
    case "number":
      return numeric(find<HTMLInputElement>(field, "input"));
    case "value":
    case "settings":
      return json(find<HTMLTextAreaElement>(field, "textarea"));
    case "service":
      return mountService(field, around);
    case "tls":
      return mountTls(field, around);
    case "connection":
      return mountConnection(field, around);
    case "layout":
      return mountLayout(field, around);
    case "attachments":
      return mountAttachments(field, around);
    case "moment":
    case "zone":
      return mountPicker(field);
    case "headers":
      return mountHeaders(field);
    default:
      return text(find<HTMLInputElement>(field, "input, select, textarea"));
  }
}

/** A TLS option; beside *Automatic* stands what that is at the port as it is. */
function mountTls(field: HTMLElement, around: Surroundings): Widget {
  const widget = text(find<HTMLInputElement>(field, "select"));
  const select = find<HTMLSelectElement>(field, "select");
  const note = find(field, "[data-note]");
  const renew = (): void => {
    note.textContent = select.value ? "" : automaticAt(textOf(read(around.settings(), "smtp.port")));
  };
  return { ...widget, renew };
}

/** What was written down stays so until it is changed here: a field of one line shows no line ends. */
function text(input: HTMLInputElement): Widget {
  let given: unknown;
  let shown = "";
  return {
    show(value) {
      given = value;
      input.value = textOf(value);
      shown = input.value;
    },
    value: () => (input.value === shown ? given : input.value) || undefined,
  };
}

function switched(input: HTMLInputElement): Widget {
  return {
    show(value) {
      input.checked = value === true;
    },
    value: () => input.checked,
  };
}

/** What is no number goes on as it is: the server says what is wrong with it. */
function numeric(input: HTMLInputElement): Widget {
  return {
    show(value) {
      input.value = textOf(value);
    },
    value() {
      const given = input.value.trim();
      if (!given) return undefined;
      return Number.isFinite(Number(given)) ? Number(given) : given;
    },
  };
}

/** Any JSON; a text that would be read as JSON is shown in quotes. */
function json(input: HTMLTextAreaElement): Widget {
  const parsed = (given: string): unknown => {
    try {
      return JSON.parse(given);
    } catch {
      return given;
    }
  };
  return {
    show(value) {
      const isPlain = typeof value === "string" && parsed(value) === value;
      input.value = value === undefined ? "" : isPlain ? value : JSON.stringify(value, null, 2);
    },
    value: () => (input.value.trim() ? parsed(input.value) : undefined),
  };
}
