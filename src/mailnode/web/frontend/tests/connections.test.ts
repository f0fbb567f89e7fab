import "./dom";
import type { EmailService } from "../src/api-types";
import assert from "node:assert/strict";
import { test } from "node:test";
import { fitting, tileFor, type Tile } from "../src/connections/tiles";
import { automaticAt, automaticOf } from "../src/connections/tls";
import { choicesFor, isFit, OTHER } from "../src/editor/service";
import { inWordsOfForm } from "../src/connections/words";

const tile = (id: string, type: string, services: string[]): Tile => ({
  id,
  label: id,
  type,
  services,
  required: [],
  shows: [],
});
const TILES = [
  tile("google", "oauth2", ["Gmail", "GmailWorkspace"]),
  tile("microsoft", "oauth2", ["Outlook365"]),
  tile("account", "oauth2ServiceAccount", ["GmailWorkspace"]),
  tile("other", "oauth2", []),
  tile("password", "basic", []),
];
const ids = (tiles: readonly Tile[]): string[] => tiles.map((one) => one.id);

test("a service is offered the ways to log in that it has", () => {
  assert.deepEqual(ids(fitting(TILES, "Gmail", ["basic", "oauth2"], false)), ["google", "password"]);
  assert.deepEqual(ids(fitting(TILES, "GmailWorkspace", ["basic", "oauth2"], false)), [
    "google",
    "account",
    "password",
  ]);
  assert.deepEqual(ids(fitting(TILES, "Yahoo", ["basic", "oauth2"], false)), ["other", "password"]);
  assert.deepEqual(ids(fitting(TILES, "SendGrid", ["basic"], false)), ["password"]);
  assert.deepEqual(ids(fitting(TILES, "", [], true)), ["other", "password"]);
  assert.equal(fitting(TILES, "", [], false).length, TILES.length);
  assert.equal(tileFor(TILES, "oauth2", "Outlook365")?.id, "microsoft");
  assert.equal(tileFor(TILES, "oauth2", "Yahoo")?.id, "other");
  assert.equal(tileFor(TILES, "oauth2ClientCredentials", ""), undefined);
});

test("what automatic means is said for a service and for a port", () => {
  assert.match(automaticOf("Outlook365", { starttls: 587 }), /STARTTLS on port 587, as Outlook365/);
  assert.match(automaticOf("Gmail", { starttls: 587, tls: 465 }), /TLS from the start on port 465/);
  assert.match(automaticOf("Inbox", { none: 25 }), /no TLS on port 25/);
  for (const [port, words] of [
    ["", "TLS from the start on port 465"],
    [" 465 ", "TLS from the start on port 465"],
    ["25", "STARTTLS on port 25"],
    ["587", "STARTTLS on port 587"],
    ["2525", "STARTTLS on port 2525"],
    ["2526", "TLS from the start on port 2526"],
  ] as const)
    assert.ok(automaticAt(port).includes(words), port);
});

test("errors name the fields of the form", () => {
  const labels = new Map([
    ["clientId", "Client ID"],
    ["user", "Mailbox"],
    ["refreshToken", "Refresh token"],
  ]);
  const error = {
    code: "missingSetting",
    phase: "settings",
    node: "",
    line: 0,
    hint: "Give user and clientId.",
    key: "",
  };
  const told = (key: string, message: string): string[] => {
    const { message: words, hint } = inWordsOfForm({ ...error, key, message }, labels);
    return [words, hint];
  };
  assert.deepEqual(told("user", "User is missing."), ["Mailbox is missing.", ""]);
  assert.deepEqual(told("clientId", "refreshToken requires clientId"), [
    "Refresh token requires Client ID",
    "Give user and Client ID.",
  ]);
});

test("what is typed finds a service, and other is offered last", () => {
  const service = (name: string, domains: string[] = []): EmailService => ({
    name,
    domains,
    aliases: [],
    host: `smtp.${name.toLowerCase()}.example`,
    ports: {},
    auth: [],
    note: "",
    dead: "",
  });
  const services = [service("Gmail", ["gmail.com"]), service("Outlook365"), service("Hotmail"), service("Mail.ru")];
  assert.deepEqual(choicesFor("gmai", services), ["Gmail", OTHER]);
  assert.deepEqual(choicesFor("mail", services), ["Mail.ru", "Gmail", "Hotmail", OTHER]);
  assert.deepEqual(choicesFor("oth", services), [OTHER]);
  assert.equal(choicesFor("Gmail", services).length, 5);
  assert.ok(isFit("Gmail", "gmai", services) && isFit("Gmail", "gmail.com", services) && isFit(OTHER, "Oth", services));
  assert.ok(!isFit(OTHER, "nonsense", services) && !isFit("Gmail", "", services));
});
