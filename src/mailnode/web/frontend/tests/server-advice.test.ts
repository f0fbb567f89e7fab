import assert from "node:assert/strict";
import { test } from "node:test";
import { adviceOf, nameOf } from "../src/editor/server-advice";

test("a port with another TLS mode than its usual one gets advice, and nothing else does", () => {
  const cases: [number, string | undefined, string | null, number, string][] = [
    [587, "tls", "smtp.tlsOption", 587, "starttls"],
    [25, "tls", "smtp.tlsOption", 25, "starttls"],
    [2525, "tls", "smtp.tlsOption", 2525, "starttls"],
    [465, "starttls", "smtp.tlsOption", 465, "tls"],
    [465, "none", "smtp.tlsOption", 465, "tls"],
    [993, "tls", "smtp.port", 465, "tls"],
    [143, undefined, "smtp.port", 465, "tls"],
    [465, "tls", null, 0, ""],
    [465, undefined, null, 0, ""],
    [587, "starttls", null, 0, ""],
    [587, undefined, null, 0, ""],
    [1025, "none", null, 0, ""],
  ];
  for (const [port, tlsOption, key, better, mode] of cases) {
    const advice = adviceOf({ emailService: "other", smtp: { host: "mx", port, ...(tlsOption ? { tlsOption } : {}) } });
    assert.equal(advice?.key ?? null, key, `${port} ${tlsOption ?? ""}`);
    if (key) assert.deepEqual(advice?.settings, { port: better, tlsOption: mode });
  }
});

test("a service, a port that is no number yet and a half server get none", () => {
  for (const settings of [
    { emailService: "Gmail", smtp: { port: 587, tlsOption: "tls" } },
    { emailService: "other" },
  ]) {
    assert.equal(adviceOf(settings), null);
  }
  assert.equal(adviceOf({ emailService: "other", smtp: { port: "58", tlsOption: "tls" } }), null);
});

test("the button names what it sets", () => {
  assert.equal(nameOf({ port: 465, tlsOption: "tls" }), "Use these settings: port 465, TLS from the start");
});
