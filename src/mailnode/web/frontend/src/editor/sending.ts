// What comes of a flow: it is run after a question, or one of its mails is sent as a test.

import { at } from "../base-path";
import { call, clearProblems, detailOf, detailsOf, Problem, showProblem } from "../api";
import type { Draft, ErrorDetail, NodeError, RunNode, Sample, TestRequest } from "../api-types";
import { find } from "../dom";
import { askBefore } from "../run/dialog";
import { sentence } from "../sentence";
import type { Notice, PreviewPane } from "./preview";
import type { ProblemView } from "./problem-view";
import { isObject, textOf } from "./settings";

/** What a test is made of: the draft, its node (null: the first that sends mail), and a state. */
export type Tried = Omit<TestRequest, "to">;

/** The editor as sending needs it. */
export interface Edited {
  draft: () => Draft;
  tried: () => Tried;
  sample: () => Sample;
  name: () => string;
  isDirty: () => boolean;
  save: () => Promise<boolean>;
}

const OF_SERVER = new Set(["connect", "tls", "greeting", "ehlo"]);
const FIELDS: Record<string, string> = { auth: "connection", token: "connection", mail: "from", rcpt: "to" };
const NO_VALUE = "noValue";
const KEPT_ADDRESS = "test-address";

export class Sending {
  constructor(
    private readonly pane: PreviewPane,
    private readonly edited: Edited,
    private readonly problems: ProblemView,
    private readonly dialog: HTMLDialogElement,
  ) {}

  /** Say who would get email, and ask; what is answered goes its own way, since an answer may take long. */
  async run(): Promise<void> {
    const body = { ...this.edited.draft(), ...this.edited.sample(), node: null };
    await this.told("Run", async () => {
      const plan = await call("POST /api/preview/plan", { body });
      const problems = [...plan.errors, ...plan.emails.flatMap(({ errors }) => errors)];
      if (plan.errors.length && !plan.emails.length) {
        this.showProblems(problems);
        return;
      }
      void askBefore(this.dialog, plan, this.edited.isDirty()).then((answer) =>
        this.told("Run", async () => {
          if (answer === "show") this.showProblems(problems);
          if (answer === "inbox") await this.runToInbox(body);
          if (answer === "run" && (!this.edited.isDirty() || (await this.edited.save()))) await this.runSaved();
        }),
      );
    });
  }

  private async runToInbox(body: Tried): Promise<void> {
    const { emails } = await call("POST /api/preview/inbox", { body });
    const count = emails.filter((email) => !email.errors.length).length;
    this.inInbox(count === 1 ? "The email is" : `${count} emails are`, { emails });
  }

  private async runSaved(): Promise<void> {
    const name = this.edited.name();
    const waits = "If a server does not respond, the run waits for as long as the node allows.";
    this.pane.showResult({ title: "Run", status: "running", notices: [saying(waits)] });
    const run = await call("POST /api/flows/{name}/runs", { path: { name }, body: this.edited.sample() });
    await this.pane.showRun(run.run);
    await this.locate(run.nodes);
  }

  async testToInbox(): Promise<void> {
    const result = await call("POST /api/preview/test", { body: { ...this.edited.tried(), to: "inbox" } });
    this.inInbox("The email is", result);
  }

  private inInbox(what: string, details: unknown): void {
    this.pane.showResult({
      title: "Test",
      status: "sent",
      notices: [saying(`${what} in the inbox on this machine. Nobody else got it.`)],
      details,
      link: { href: at("/inbox"), words: "Read it in the inbox" },
    });
  }

  private async testTo(to: string): Promise<void> {
    const tried = this.edited.tried();
    const result = await call("POST /api/preview/test", { body: { ...tried, to } });
    const said = textOf(result.response);
    const good = saying(`Accepted by ${textOf(result.host)} for ${to}.`, said && `The server replied: ${said}`);
    const notices = [result.error ? noticeOf(result.error) : good];
    this.pane.showResult({ title: "Test", status: result.status, notices, details: result });
    if (tried.node) await this.locate([{ id: tried.node, type: "", label: "", status: "", result }]);
  }

  /** The dialog that asks where a test goes. */
  mountTest(dialog: HTMLDialogElement): void {
    const form = find(dialog, "form");
    const input = find<HTMLInputElement>(form, "#test-to");
    input.value = localStorage.getItem(KEPT_ADDRESS) ?? "";
    const send = async (): Promise<void> => {
      const to = input.value.trim();
      if (!to) throw new Problem({ message: "Enter an email address.", key: "to" });
      await this.testTo(to);
      localStorage.setItem(KEPT_ADDRESS, to);
      dialog.close();
    };
    const tell = (work: Promise<void>): void => {
      clearProblems(form);
      work.catch((problem: unknown) => {
        showProblem(form, problem);
        this.problems.showAll(detailsOf(problem).filter(({ node }) => node));
      });
    };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      tell(send());
    });
    find(form, '[data-action="test-inbox"]').addEventListener("click", () =>
      tell(this.testToInbox().then(() => dialog.close())),
    );
  }

  /** Put what a server did to a mail beside the field that it is about; where it can't be used, find out what can. */
  private async locate(nodes: RunNode[]): Promise<void> {
    for (const { id, result } of nodes) {
      const error = isObject(result) && isObject(result.error) ? (result.error as unknown as NodeError) : null;
      if (!error) continue;
      const phase = textOf(error.phase);
      const key = FIELDS[phase];
      if (key)
        this.problems.tellServer(id, {
          errors: [{ ...detailOf(""), ...detailIn(error), node: id, key }],
          settings: null,
        });
      else if (OF_SERVER.has(phase)) {
        const body = { ...this.edited.draft(), node: id };
        this.problems.tellServer(id, await call("POST /api/preview/server", { body }));
      }
    }
  }

  private showProblems(problems: ErrorDetail[]): void {
    const notices = problems.map((problem) => noticeOf(problem, problem.node));
    this.pane.showResult({ title: "Run", status: "not started", notices, details: problems });
    this.problems.showAll(problems);
  }

  private async told(title: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (problem) {
      this.fail(title, problem);
    }
  }

  private fail(title: string, problem: unknown): void {
    const details = detailsOf(problem);
    this.pane.showResult({ title, status: "failed", notices: details.map((one) => noticeOf(one)), details });
    this.problems.showAll(details.filter(({ node }) => node));
  }
}

/** Whether sample data would help. */
export function lacksSample(errors: readonly ErrorDetail[]): boolean {
  return errors.some(({ code }) => code === NO_VALUE);
}

function detailIn({ code, message, hint }: NodeError): Pick<ErrorDetail, "code" | "message" | "hint"> {
  return { code: textOf(code), message: sentence(textOf(message)), hint: sentence(textOf(hint)) };
}

function noticeOf({ message, hint }: NodeError, where = ""): Notice {
  const before = where && !textOf(message).includes(where) ? `${where}: ` : "";
  return saying(`${before}${sentence(textOf(message))}`, sentence(textOf(hint)));
}

function saying(words: string, hint = ""): Notice {
  return { lines: [{ words }], hint };
}
