// All that is known to be wrong with a flow: what its settings say, and what a server said of a node.

import type { ErrorDetail, FlowContent, FlowNodeContent, ServerCheck } from "../api-types";
import type { Notice } from "./preview";
import { lacksSample } from "./sending";

interface Told {
  check: ServerCheck;
  /** The settings that it is about: with others it counts no more. */
  settings: string;
}

const MOST_LINES = 6;
const OF_SERVER = ["emailService", "smtp", "connection", "from", "to"];

export class KnownProblems {
  /** Those of the settings and the sample. */
  errors: ErrorDetail[];
  private readonly servers = new Map<string, Told>();

  constructor(
    errors: ErrorDetail[],
    private readonly flow: () => FlowContent | null,
  ) {
    this.errors = errors;
  }

  /** Keep what a server said of a node for as long as the node names that server; null forgets it. */
  tell(id: string, check: ServerCheck | null): void {
    const node = this.node(id);
    if (check && node) this.servers.set(id, { check, settings: serverOf(node) });
    else this.servers.delete(id);
  }

  /** What a server said of a node, if it still counts. */
  server(id: string): ServerCheck | null {
    const told = this.servers.get(id);
    const node = this.node(id);
    return told && node && told.settings === serverOf(node) ? told.check : null;
  }

  get all(): ErrorDetail[] {
    return [...this.errors, ...[...this.servers.keys()].flatMap((id) => this.server(id)?.errors ?? [])];
  }

  /** Say each problem with its node and field, which a press leads to; those with the same remedy stand together. */
  notices(lead: (error: ErrorDetail) => void, fillSample: () => void): Notice[] {
    const remedy = { words: "Fill in sample data", work: fillSample };
    const groups = new Map<string, ErrorDetail[]>();
    for (const error of this.errors) groups.set(error.hint, [...(groups.get(error.hint) ?? []), error]);
    return [...groups].map(([hint, errors]) => {
      const lines = errors.slice(0, MOST_LINES).map((error) => {
        const place = this.placeOf(error);
        return { words: error.message, ...(place ? { place: { words: place, lead: () => lead(error) } } : {}) };
      });
      if (errors.length > MOST_LINES) lines.push({ words: `And ${errors.length - MOST_LINES} more.` });
      return { lines, hint, ...(lacksSample(errors) ? { remedy } : {}) };
    });
  }

  private placeOf({ node: id, key, line }: ErrorDetail): string {
    const node = this.node(id);
    const name = node ? (node.label ?? node.id) : id;
    return (
      [name, node && key ? labelOf(node.type, key) : key].filter(Boolean).join(", ") || (line ? `Line ${line}` : "")
    );
  }

  private node(id: string): FlowNodeContent | undefined {
    return this.flow()?.nodes.find((node) => node.id === id);
  }
}

function serverOf({ settings }: FlowNodeContent): string {
  return JSON.stringify(OF_SERVER.map((key) => settings[key]));
}

/** Give the label of a setting in the panel of a type; what has none is named by its key. */
function labelOf(type: string, key: string): string {
  const panel = document.querySelector<HTMLTemplateElement>(`template[data-panel="${CSS.escape(type)}"]`)?.content;
  const own = key === "id" || key === "when" ? `@${key}` : key;
  const field =
    panel?.querySelector(`.field[data-key="${CSS.escape(own)}"]`) ??
    panel?.querySelector(`.field[data-key="${CSS.escape(/^[^.[]*/.exec(key)?.[0] ?? "")}"]`);
  const label = field?.querySelector("label, .label, .visually-hidden")?.textContent.replace("*", "").trim();
  return label ?? key;
}
