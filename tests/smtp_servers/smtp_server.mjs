// Runs npm's smtp-server on ports of 127.0.0.1 until its stdin ends: node smtp_server.mjs KEY CERTIFICATE LOG
// Its first line of output is an object of the ports by name; what it does stands in LOG, one object a line.
import { appendFileSync, readFileSync } from "node:fs";
import { SMTPServer } from "smtp-server";

const [key, cert, log] = process.argv.slice(2);
const SESSIONS = 2;
const MAILS = 20;
const MEGABYTE = 1024 * 1024;

const tell = (event) => appendFileSync(log, JSON.stringify(event) + "\n");
const refusal = (responseCode, words) => Object.assign(new Error(words), { responseCode });

const connectionOf = (server, session) => [...server.connections].find((one) => one.id === session.id);

// Closes right behind its reply, as some services do.
function hangUp(server, session, code, words) {
  const connection = connectionOf(server, session);
  connection.send(code, words);
  connection.close();
}

function take(server, stream, session, callback) {
  const blocks = [];
  stream.on("data", (block) => blocks.push(block));
  stream.on("end", () => {
    const head = Buffer.concat(blocks).toString("latin1").split("\r\n\r\n", 1)[0];
    const [, messageId] = /^Message-ID:\s*(\S+)/im.exec(head);
    const to = session.envelope.rcptTo.map(({ address }) => address);
    tell({ event: "mail", messageId, to, tls: session.secure });
    session.mails = (session.mails ?? 0) + 1;
    if (server.isHasty) hangUp(server, session, 250, "2.0.0 OK");
    else callback();
  });
}

// Says what it thinks of a large mail as soon as it is one, and hangs up.
function refuseLarge(server, stream, session, callback) {
  let seen = 0;
  stream.on("data", (block) => {
    seen += block.length;
    if (seen <= MEGABYTE) return;
    stream.removeAllListeners("data");
    tell({ event: "refused", seen });
    hangUp(server, session, 552, "5.3.4 message exceeds fixed maximum message size");
  });
  stream.on("end", () => callback());
}

function start(port, { isHasty = false, isSmall = false, ...options }) {
  const server = new SMTPServer({
    key: readFileSync(key),
    cert: readFileSync(cert),
    name: "mail.smtp-server.example",
    authOptional: true,
    disableReverseLookup: true,
    closeTimeout: 1000,
    onConnect(session, callback) {
      tell({ event: "session", port });
      callback();
    },
    onMailFrom(address, session, callback) {
      callback(session.mails === MAILS ? refusal(421, "Too many messages in this session") : null);
    },
    onData: (stream, session, callback) => (isSmall ? refuseLarge : take)(server, stream, session, callback),
    ...options,
  });
  server.isHasty = isHasty;
  server.on("error", (error) => tell({ event: "error", words: error.message }));
  server.server.on("connection", () => tell({ event: "connection", port }));
  return new Promise((resolve) => {
    const listening = server.listen(0, "127.0.0.1", () => resolve([port, listening.address().port]));
  });
}

const ports = await Promise.all([
  start("port", { maxClients: SESSIONS }),
  start("tls_port", { maxClients: SESSIONS, secure: true }),
  start("hasty_port", { secure: true, isHasty: true }),
  start("small_port", { isSmall: true, hideSize: true }),
]);
console.log(JSON.stringify(Object.fromEntries(ports)));
process.stdin.resume().on("end", () => process.exit());
