import assert from "node:assert/strict";
import { test } from "node:test";
import type { Plan, PlannedMail } from "../src/api-types";
import { lineOf, namesOf, questionOf } from "../src/run/question";

const mail = (change: Partial<PlannedMail> = {}): PlannedMail => ({
  node: "tell",
  label: "Tell",
  subject: "Hi",
  recipients: ["zoe@example.org"],
  host: "mx",
  port: 587,
  connection: "",
  isInbox: false,
  errors: [],
  ...change,
});
const plan = (...emails: PlannedMail[]): Plan => ({ emails, errors: [], isCertain: true });
const error = { code: "noValue", phase: "expression", message: "m", hint: "", node: "tell", key: "to", line: 0 };

test("the question counts real emails and names who gets them", () => {
  const cases: [Plan, string][] = [
    [plan(mail()), "Send 1 real email to zoe@example.org now?"],
    [plan(mail(), mail()), "Send 2 real emails to zoe@example.org now?"],
    [plan(mail({ recipients: ["a", "b", "c", "d"] })), "Send 1 real email to a, b, c and 1 more now?"],
    [plan(mail({ isInbox: true })), "Send 1 email to the inbox on this machine now?"],
    [plan(mail({ isInbox: true }), mail()), "Send 1 real email to zoe@example.org now?"],
    [plan(mail({ recipients: [], errors: [error] })), "Run the flow now? It sends no email."],
    [plan(), "Run the flow now? It sends no email."],
  ];
  for (const [asked, title] of cases) assert.equal(questionOf(asked, false).title, title);
});

test("the button says what a press does, and unsaved changes are told", () => {
  assert.deepEqual(questionOf(plan(mail()), false), {
    title: "Send 1 real email to zoe@example.org now?",
    yes: "Send now",
    notes: [],
    hasReal: true,
  });
  assert.equal(questionOf(plan(), false).yes, "Run now");
  assert.equal(questionOf(plan(mail()), true).yes, "Save and send");
  assert.equal(questionOf(plan(mail({ isInbox: true })), true).yes, "Save and run");
  assert.match(questionOf(plan(), true).notes.join(), /unsaved changes/);
  assert.match(questionOf({ ...plan(), isCertain: false }, false).notes.join(), /other packages/);
  assert.match(questionOf(plan(mail(), mail({ isInbox: true })), false).notes.join(), /1 more email goes to the inbox/);
  assert.equal(questionOf(plan(mail({ isInbox: true })), false).hasReal, false);
});

test("a line says what goes where, and by whose login", () => {
  assert.equal(lineOf(mail()), "Tell: “Hi” to zoe@example.org, through mx:587");
  assert.equal(lineOf(mail({ connection: "shop" })), "Tell: “Hi” to zoe@example.org, through mx:587, connection shop");
  assert.match(lineOf(mail({ isInbox: true })), /through the inbox on this machine$/);
  assert.equal(namesOf(["a", "b"]), "a and b");
  assert.equal(namesOf([]), "nobody");
});
