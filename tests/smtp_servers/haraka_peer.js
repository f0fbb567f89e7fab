// A plugin of Haraka: bears two sessions at once, and takes mail for anybody; what it does stands in HARAKA/log.
"use strict";

const { appendFileSync } = require("node:fs");
const { join } = require("node:path");

const SESSIONS = 2;
const sessions = new Set();

const tell = (event) => appendFileSync(join(process.env.HARAKA, "log"), JSON.stringify(event) + "\n");

// No name server is asked.
exports.hook_lookup_rdns = (next) => next(OK, "client.example");

exports.hook_connect = (next, { uuid, client }) => {
  // Its replies to commands that come together are small writes, each of which would wait for our machine's ACK.
  (client.targetsocket ?? client).setNoDelay(true);
  const isWelcome = sessions.size < SESSIONS;
  tell({ event: "connection" });
  if (!isWelcome) return next(DENYSOFTDISCONNECT, "Too many concurrent connections");
  tell({ event: "session" });
  sessions.add(uuid);
  next();
};

exports.hook_disconnect = (next, { uuid }) => {
  sessions.delete(uuid);
  next();
};

exports.hook_rcpt = (next) => next(OK);

// Its answer takes a moment, as that of a disk does.
exports.hook_queue = (next, { transaction, tls }) => {
  const messageId = transaction.header.get("Message-ID").trim();
  tell({ event: "mail", messageId, to: transaction.rcpt_to.map((one) => one.address), tls: tls.enabled });
  setTimeout(next, 2, OK);
};
