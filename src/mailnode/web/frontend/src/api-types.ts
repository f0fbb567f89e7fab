// Written by api_types.py from the API's OpenAPI document; `make fmt` writes it anew.

/**
 * A run that is stored and will be run, whatever happens to this server; its address is in `Location`.
 *
 * With `duplicate` its id was there before, and `status` is that of the run by now.
 */
export type AcceptedRun = {
  run: string;
  flow: string;
  status: "running" | "interrupted" | "done" | "halted" | string;
  duplicate?: boolean;
};

/**
 * A program that hands in email by SMTP; times are Unix ms, and `lastUsedAt` is exact to a minute.
 *
 * `senders` are addresses, domains (`@example.org`) and `<>`. `notify` is an address, `sender` or `none`.
 */
export type App = {
  name: string;
  connection: string;
  senders: string[];
  rateLimit?: string | null;
  notify: string;
  duplicatesCheck: boolean;
  unixUser?: string | null;
  host?: string | null;
  port?: number | null;
  tlsOption?: "tls" | "starttls" | "none" | null;
  ca?: string | null;
  createdAt: number;
  updatedAt: number;
  lastUsedAt: number | null;
};

/** The login of an app; its password is not shown again. */
export type AppLogin = {
  login: string;
  password: string;
};

/** One attempt: what ended it, what to do about that, and the SMTP dialogue without secrets. */
export type Attempt = {
  number: number;
  startedAt: number;
  endedAt: number | null;
  phase: string | null;
  code: string | null;
  replyCode: number | null;
  message: string | null;
  hint: string;
  dialogue: string;
};

/** An authorized connection; `warning` says why its tokens will not last, and is "" if they will. */
export type Authorization = {
  connection: Connection;
  warning: string;
};

/** A body part; `number` is its place, and `size` its bytes: decoded, or in a preview as they are sent. */
export type BodyPart = {
  number: string;
  mediaType: string;
  encoding: string;
  size: number;
  filename: string;
  cid: string;
  disposition: string;
  parts: BodyPart[];
};

/** For which it was done, or with `dryRun` would be; for which it was not; and whether more fit than `limit`. */
export type BulkAnswer = {
  deliveryIds: string[];
  refused: RefusedDelivery[];
  more: boolean;
};

/** An email and its envelope; `receivedAt` is Unix ms, `size` in bytes, and `mailFrom` is "" for <>. */
export type CaughtMail = {
  number: number;
  mailFrom: string;
  rcptTo: string[];
  receivedAt: number;
  size: number;
  from: string;
  subject: string;
};

/** A draft as text and as content (null if the text is not a flow), and all errors. */
export type CheckedDraft = {
  text: string;
  document: FlowContent | null;
  errors: ErrorDetail[];
};

/**
 * The deliveries of these ids, or all that fit what else is given, the latest first, `limit` at the most.
 *
 * With `dryRun` nothing is done: the answer tells for which it would be.
 */
export type ChosenDeliveries = {
  state?: ("queued" | "claimed" | "handingOver" | "interrupted" | "sent" | "partial" | "failed" | "unknown" | "held" | "cancelled" | "sending")[];
  connection?: string | null;
  recipient?: string | null;
  run?: string | null;
  flow?: string | null;
  app?: string | null;
  subject?: string | null;
  since?: number | null;
  until?: number | null;
  deliveryIds?: string[] | null;
  limit?: number;
  dryRun?: boolean;
};

/** How many emails were deleted. */
export type ClearedInbox = {
  thrownAway: number;
};

/**
 * A connection without its secrets: beside these fields its public ones, by the names that they were given with.
 *
 * `secrets` names those that are set. One with tokens has a `state`; `expiryDate` (Unix ms) is when its access
 * token expires, and `trouble` says why the last renewal failed, if it did. In a list a connection that cannot be read
 * has the state `unreadable`, and `trouble` says why. `lastTest` is there once its present revision was tested.
 */
export type Connection = {
  name: string;
  type: "basic" | "oauth2" | "oauth2ClientCredentials" | "oauth2ServiceAccount" | string;
  revision: number;
  secrets: string[];
  service?: string | null;
  hosts?: string[] | null;
  state?: "ready" | "needsConsent" | "unreadable" | null;
  trouble?: string | null;
  lastTest?: LastTest | null;
  [key: string]: unknown;
};

/** The flows that name a connection. */
export type ConnectionUses = {
  flows: string[];
};

/** The page that a person opens, and where the answer comes back to; register the latter at the provider. */
export type ConsentRequest = {
  url: string;
  redirectUri: string;
};

/** What became of the last authorization; `error` says why it failed, and `warning` why tokens will not last. */
export type ConsentState = {
  state: "none" | "waiting" | "authorized" | "failed";
  error?: ErrorDetail | null;
  warning?: string;
};

/**
 * Everything about a delivery; `result` is what the flow got, and null while there is none.
 *
 * `origin` is null if it comes from no flow file, and `retry` if it was never retried.
 */
export type Delivery = {
  deliveryId: string;
  state: "queued" | "claimed" | "handingOver" | "interrupted" | "sent" | "partial" | "failed" | "unknown" | "held" | "cancelled";
  createdAt: number;
  updatedAt: number;
  messageId: string;
  from: string | null;
  to: string[];
  connection: string;
  host: string;
  port: number;
  subject: string;
  flow: string | null;
  run: string | null;
  node: string | null;
  app: string | null;
  duplicates: number;
  error: string | null;
  dueAt: number | null;
  hint: string;
  expiresAt: number;
  messageSize: number;
  key: string | null;
  recipients: Recipient[];
  attempts: Attempt[];
  result: Record<string, unknown> | null;
  origin: Origin | null;
  retry: RetryRoute | null;
};

/** A page of the list, the latest first; `next` is the `after` of the next page, and null on the last one. */
export type DeliveryPage = {
  deliveries: DeliverySummary[];
  next: string | null;
};

/** One line of the list; `attempts` counts them. */
export type DeliverySummary = {
  deliveryId: string;
  state: "queued" | "claimed" | "handingOver" | "interrupted" | "sent" | "partial" | "failed" | "unknown" | "held" | "cancelled";
  createdAt: number;
  updatedAt: number;
  messageId: string;
  from: string | null;
  to: string[];
  connection: string;
  host: string;
  port: number;
  subject: string;
  flow: string | null;
  run: string | null;
  node: string | null;
  app: string | null;
  duplicates: number;
  error: string | null;
  dueAt: number | null;
  attempts: number;
};

/** A flow that is being edited: its text and, if a form was filled in, the content that replaces it. */
export type Draft = {
  text: string;
  document?: Record<string, unknown> | null;
  format?: "yaml" | "json";
};

/**
 * An email service.
 *
 * `ports` has one for each TLS mode that it speaks, `auth` the types of connections that it takes. `note` says what an
 * account needs before it can send, `dead` why mail will hardly go this way; each is "" where there is nothing to say.
 */
export type EmailService = {
  name: string;
  aliases: string[];
  domains: string[];
  host: string;
  ports: Record<string, number>;
  auth: ("basic" | "oauth2" | "oauth2ClientCredentials" | "oauth2ServiceAccount")[];
  note: string;
  dead: string;
};

/** An error: what is wrong, where, and the remedy. */
export type ErrorDetail = {
  code: string;
  phase: string;
  message: string;
  hint: string;
  node: string;
  key: string;
  line: number;
};

/**
 * The event of an invitation; times are Unix ms, of an `allDay` one the midnights of UTC of first and last day.
 *
 * `zone` is the zone that it is written in, "" for times by anybody's clock.
 */
export type Event = {
  method: string;
  summary: string;
  start: number;
  end: number;
  allDay: boolean;
  zone: string;
  location: string;
  description: string;
  url: string;
  organizer: string;
  attendees: string[];
};

/** One step of a test; `ms` is how long it took. */
export type FindingLine = {
  step: "settings" | "resolve" | "connect" | "port" | "tls" | "greeting" | "ehlo" | "token" | "auth" | "mail" | "rcpt" | "quit";
  status: "ok" | "warning" | "failed" | "skipped";
  found: string;
  ms: number;
  hint: string;
  code: string | null;
};

/**
 * A run that has just ended; the answer is 200 whatever became of its email.
 *
 * `mail` is the worst status of its email, in the order failed, unknown, held, partial, cancelled, queued, sent; null
 * where it has none. With `duplicate` it was not run again: the earlier run is returned. `outcomeNotStored` says why
 * the database does not know how it ended.
 */
export type FinishedRun = {
  run: string;
  flow: string;
  status: "done" | "halted" | "interrupted";
  mail: "sent" | "partial" | "failed" | "unknown" | "queued" | "held" | "cancelled" | null;
  input: Record<string, unknown>;
  context: Record<string, unknown>;
  output: string[];
  nodes: RunNode[];
  duplicate?: boolean;
  outcomeNotStored?: string;
};

/** A flow: its text, its content (null if the text is not a flow), and all errors. */
export type Flow = {
  name: string;
  format: "yaml" | "json";
  revision: string;
  text: string;
  document: FlowContent | null;
  errors: ErrorDetail[];
  sample: Sample;
};

/** The content of a flow. */
export type FlowContent = {
  version: number;
  name: string;
  nodes: FlowNodeContent[];
};

/** The new name of a flow. */
export type FlowName = {
  name: string;
};

/** A node of a flow; without `label` it is shown by its id, and without `when` it always runs. */
export type FlowNodeContent = {
  id: string;
  type: string;
  label?: string | null;
  when?: string | null;
  settings: Record<string, unknown>;
};

/** One flow of the folder; `trouble` says why it can't be run. */
export type FlowSummary = {
  name: string;
  nodeCount: number;
  modifiedAt: number;
  trouble: string;
};

/** One header field, decoded. */
export type HeaderField = {
  name: string;
  value: string;
};

/**
 * The server answers (`live`); `ready` is that its database does too, and that mail is sent.
 *
 * `outcomesWaiting` counts mails and runs of which the database can't be told what came; `reason` says why not.
 */
export type Health = {
  status?: "ok" | "waiting" | "failing";
  version?: string;
  live?: boolean;
  ready?: boolean;
  outcomesWaiting?: number;
  reason?: string | null;
  worker: WorkerHealth;
};

/** Counts over time, the oldest first; the last bucket is not over yet. */
export type History = {
  hours: number;
  bucketMs: number;
  buckets: HistoryBucket[];
};

/** What happened from `at` (Unix ms) on; `waiting` counts those that waited at its end. */
export type HistoryBucket = {
  at: number;
  accepted: number;
  failed: number;
  inDoubt: number;
  waiting: number;
};

/** What the last test of a connection found: when (Unix ms), and where it failed, why, and what to do. */
export type LastTest = {
  at: number;
  ok: boolean;
  failedStep?: string | null;
  found?: string | null;
  hint?: string | null;
};

/** A layout with its text, and what is wrong with it. */
export type Layout = {
  name: string;
  modifiedAt: number;
  usedBy: string[];
  trouble: string;
  revision: string;
  text: string;
  errors: ErrorDetail[];
};

/**
 * The text of a layout to look at, around the content of a flow's node, filled with the flow's sample data.
 *
 * Without a flow it stands around a sample text; without a node it is the first node that sends email.
 */
export type LayoutDraft = {
  text: string;
  flow?: string | null;
  node?: string | null;
};

/** One layout of the folder; `trouble` says why it can't be used, `usedBy` which flows use it. */
export type LayoutSummary = {
  name: string;
  modifiedAt: number;
  usedBy: string[];
  trouble: string;
};

/** A snapshot that was made; `troubles` say which tokens could not be renewed for it. */
export type MadeSnapshot = {
  name: string;
  flows: string[];
  files: string[];
  connections: string[];
  troubles: ErrorDetail[];
};

/** An opened email: `text` and `html` are the first ones that are not files, `invitation` its event, if any. */
export type Mail = {
  number: number;
  mailFrom: string;
  rcptTo: string[];
  receivedAt: number;
  size: number;
  from: string;
  subject: string;
  headerFields: HeaderField[];
  root: BodyPart;
  text: string | null;
  html: string | null;
  invitation: Event | null;
};

/** The event that an email invites to, for its update or its cancellation. */
export type MailInvitation = {
  uid: string;
  sequence: number;
  [key: string]: unknown;
};

/** A recipient, with the server's last answer about it; it may have more fields than these. */
export type MailRecipient = {
  address: string;
  field: string;
  status: "accepted" | "refused" | "deferred" | "unknown" | "notTried" | string;
  replyCode: number | null;
  enhancedStatusCode: string | null;
  replyText: string;
  [key: string]: unknown;
};

/**
 * The result of an email, as a node stores it; it may have more fields than these.
 *
 * `duplicate` is there where an earlier email with the same idempotency key is reported, `invitation` where the email
 * is one.
 */
export type MailResult = {
  status: "sent" | "partial" | "failed" | "unknown" | "queued" | "held" | "cancelled" | string;
  duplicate?: boolean;
  messageId: string;
  envelope: Record<string, unknown>;
  accepted: string[];
  rejected: string[];
  response: string;
  messageSize: number;
  recipients: MailRecipient[];
  error?: NodeError | null;
  deliveryId: string;
  attempts: number;
  connection: string;
  host: string;
  tlsVersion: string;
  authMechanism: string;
  timings: Record<string, number>;
  warnings: string[];
  invitation?: MailInvitation | null;
  [key: string]: unknown;
};

/** A new app; without `senders` it may send from the address of its connection. */
export type NewApp = {
  name: string;
  connection: string;
  senders?: string[] | null;
  rateLimit?: string | null;
  notify?: string | null;
  duplicatesCheck?: boolean | null;
  unixUser?: string | null;
  host?: string | null;
  port?: number | null;
  tlsOption?: "tls" | "starttls" | "none" | null;
  ca?: string | null;
};

/** A name, a type, and the fields of that type. */
export type NewConnection = {
  name: string;
  type?: string;
  [key: string]: unknown;
};

/** A new flow: from a text, as a copy of another one, or from a name alone. */
export type NewFlow = {
  name?: string | null;
  copyOf?: string | null;
  sender?: string | null;
  text?: string | null;
  format?: "yaml" | "json";
};

/** A new layout: with a text, as a copy of another one, or one to begin with. */
export type NewLayout = {
  name: string;
  copyOf?: string | null;
  text?: string | null;
};

/** What goes into a snapshot: flows and connections by name, all of them where none is named. */
export type NewSnapshot = {
  name: string;
  passphrase: string;
  flows?: string[];
  connections?: string[];
};

/** A name, a URL, and the outcomes that are posted to it; none stands for all. */
export type NewWebhook = {
  name: string;
  url: string;
  events?: string[];
};

/** The error of a node or of its email; it has more fields than these. */
export type NodeError = {
  code?: string;
  message?: string;
  hint?: string;
  [key: string]: unknown;
};

/** A snapshot's passphrase, and other names for its connections. */
export type OpenRequest = {
  passphrase: string;
  rename?: Record<string, string>;
};

/** The flow that a delivery comes from. */
export type Origin = {
  file: string;
  flow: string;
};

/** The address of the page where the browser ended. */
export type PastedAddress = {
  address: string;
};

/**
 * What a run would send: its emails in their order.
 *
 * `errors` are the settings because of which it can't begin, or what would halt it. `isCertain` is false where a node
 * of another package may change what comes after it.
 */
export type Plan = {
  emails: PlannedMail[];
  errors: ErrorDetail[];
  isCertain: boolean;
};

/**
 * An email that a run would send; `errors` say why it can't be made, and then it has no recipients.
 *
 * `isInbox` tells those that go to the inbox on this machine, and so to nobody.
 */
export type PlannedMail = {
  node: string;
  label: string;
  subject: string;
  recipients: string[];
  host: string;
  port: number;
  connection: string;
  isInbox: boolean;
  errors: ErrorDetail[];
};

/** An email; `html` and `message` are paths to fetch it for a while, `source` is the beginning of its source. */
export type Preview = {
  host: string;
  port: number;
  tlsOption: "tls" | "starttls" | "none";
  connection: string;
  envelopeFrom: string;
  recipients: string[];
  headerFields: [string, string][];
  text: string;
  html: string;
  message: string;
  source: string;
  size: number;
  root: BodyPart;
  warnings: string[];
  invitation: Event | null;
};

/** A draft, the node to preview (by default the first that sends email), and the state to fill it with. */
export type PreviewRequest = {
  text: string;
  document?: Record<string, unknown> | null;
  format?: "yaml" | "json";
  node?: string | null;
  input?: Record<string, unknown>;
  context?: Record<string, unknown>;
};

/** All errors of the draft, and the email of its node, null if that cannot be made. */
export type Previewed = {
  errors: ErrorDetail[];
  preview: Preview | null;
};

/** What a supervisor needs: whether to restart it (`/health/live`), or to send it requests (`/health/ready`). */
export type Probe = {
  status?: "ok" | "failing";
  reason?: string | null;
};

/** The answer to a request that failed; `errors` are all that is wrong with it, and the first is `error`. */
export type Problem = {
  error: ErrorDetail;
  errors: ErrorDetail[];
};

/** A recipient, and what the server replied for it. */
export type Recipient = {
  address: string;
  field: string;
  status: string;
  replyCode: number | null;
  enhancedStatusCode: string | null;
  replyText: string;
};

/** A delivery for which it was not done, and why. */
export type RefusedDelivery = {
  deliveryId: string;
  error: ErrorDetail;
};

/**
 * What is posted again: events by their ids or those of their deliveries, or all since a time (Unix ms).
 *
 * Without both it is what was given up, and what waits for its next try.
 */
export type Replay = {
  events?: string[];
  since?: number | null;
};

/** How many events will be posted again. */
export type Replayed = {
  count: number;
};

/** What a restore does: with each flow, each file that they use, and each connection. */
export type RestorePlan = {
  flows: Record<string, string>;
  files: Record<string, string>;
  connections: Record<string, string>;
};

/** The same, and whether flows that are here may be replaced. */
export type RestoreRequest = {
  passphrase: string;
  rename?: Record<string, string>;
  overwriteFlows?: boolean;
};

/** The same, and as for one delivery: whether an unknown outcome is accepted, and by which route they go. */
export type RetriedDeliveries = {
  state?: ("queued" | "claimed" | "handingOver" | "interrupted" | "sent" | "partial" | "failed" | "unknown" | "held" | "cancelled" | "sending")[];
  connection?: string | null;
  recipient?: string | null;
  run?: string | null;
  flow?: string | null;
  app?: string | null;
  subject?: string | null;
  since?: number | null;
  until?: number | null;
  deliveryIds?: string[] | null;
  limit?: number;
  dryRun?: boolean;
  isSure?: boolean;
  asQueued?: boolean;
};

/**
 * Whether an email whose outcome is unknown may be sent again (`isSure`), and by which route it goes.
 *
 * With `asQueued` that is the route with which it was queued, whatever its flow says now.
 */
export type RetryRequest = {
  isSure?: boolean;
  asQueued?: boolean;
};

/** The route of the last retry: as its flow said then, as it was queued, or unchanged, and why. */
export type RetryRoute = {
  route: "flow" | "asQueued" | "unchanged";
  why: string;
};

/**
 * A run: its final state, its output, and what each node did; null while there is none.
 *
 * `startedWith` has the `input` and `context` with which it can be run again.
 */
export type Run = {
  run: string;
  flow: string;
  status: "running" | "interrupted" | "done" | "halted" | string;
  createdAt: number;
  updatedAt: number;
  mail: "sent" | "partial" | "failed" | "unknown" | "queued" | "held" | "cancelled" | null;
  mails: string[];
  error: string | null;
  input: Record<string, unknown> | null;
  context: Record<string, unknown> | null;
  output: string[] | null;
  nodes: RunNode[] | null;
  startedWith: StartedWith | null;
};

/**
 * What a node did in a run; `result` and `error` are left out if there is none.
 *
 * The result of a node that sends email is a MailResult; a node of another package may have any other.
 */
export type RunNode = {
  id: string;
  type: string;
  label: string;
  status: "done" | "failed" | "skipped" | "notReached" | string;
  result?: MailResult | unknown;
  error?: NodeError | null;
};

/** A page of the list, the latest first; `next` is the `after` of the next page, and null on the last one. */
export type RunPage = {
  runs: RunSummary[];
  next: string | null;
};

/** The `input` and `context` that a flow is run with. */
export type RunRequest = {
  input?: Record<string, unknown>;
  context?: Record<string, unknown>;
};

/**
 * One line of the list; `mails` has the status of each mail that it made, `error` the first one's words.
 *
 * `mail` is the worst of them, in the order failed, unknown, held, partial, cancelled, queued, sent; null without
 * email. A run of a newer version may have a status that this one does not know.
 */
export type RunSummary = {
  run: string;
  flow: string;
  status: "running" | "interrupted" | "done" | "halted" | string;
  createdAt: number;
  updatedAt: number;
  mail: "sent" | "partial" | "failed" | "unknown" | "queued" | "held" | "cancelled" | null;
  mails: string[];
  error: string | null;
};

/** The `input` and `context` that a flow is tried with in the editor. */
export type Sample = {
  input: Record<string, unknown>;
  context: Record<string, unknown>;
};

/** A flow that replaces the one of this revision. */
export type SavedDraft = {
  text: string;
  document?: Record<string, unknown> | null;
  format?: "yaml" | "json";
  revision: string;
};

/** The text of a layout that replaces the one of this revision; `name` is its new name, if it gets one. */
export type SavedLayout = {
  text: string;
  revision: string;
  name?: string | null;
};

/**
 * What keeps email from being sent, each at its field, and other settings of the same host that work.
 *
 * No email was sent.
 */
export type ServerCheck = {
  errors: ErrorDetail[];
  settings: mailnode__web__api__trial__WorkingServer | null;
};

/** The state that a run began with. */
export type StartedWith = {
  input: Record<string, unknown>;
  context: Record<string, unknown>;
};

/** A file that was stored: `path` is what an attachment of type `file` names it by. */
export type StoredFile = {
  path: string;
  filename: string;
  contentType: string;
  size: number;
};

/** The last line: whether everything works, and in `settings` those that do. */
export type SummaryLine = {
  ok: boolean;
  settings: mailnode__web__api__connections__WorkingServer | null;
};

/** The same, and where the test goes: "inbox", or an address, by the node's own server. */
export type TestRequest = {
  text: string;
  document?: Record<string, unknown> | null;
  format?: "yaml" | "json";
  node?: string | null;
  input?: Record<string, unknown>;
  context?: Record<string, unknown>;
  to: string;
};

/** What became of a test; it has more fields of a MailResult, and `inbox` where it is in the inbox. */
export type TestedEmail = {
  status: string;
  error?: NodeError | null;
  [key: string]: unknown;
};

/** Which of a connection's servers is tested; a connection for a service, or for one host, needs none of this. */
export type TestedServer = {
  host?: string | null;
  port?: number | null;
  tlsOption?: "tls" | "starttls" | "none" | null;
  ca?: string | null;
};

/**
 * Where outcomes of deliveries are posted to, without its secret and the query of its URL.
 *
 * `events` are the types that it gets; `waiting` and `failed` count events. While it is `failing` one event is tried
 * at a time.
 */
export type Webhook = {
  name: string;
  url: string;
  events: string[];
  state: "ready" | "failing";
  waiting: number;
  failed: number;
  createdAt: number;
};

/** What came of a test: whether the receiver took it, its status, and what is wrong and what to do if it did not. */
export type WebhookAnswer = {
  ok: boolean;
  statusCode: number | null;
  trouble: string;
  hint: string;
};

/** A webhook with its latest events. */
export type WebhookDetails = {
  name: string;
  url: string;
  events: string[];
  state: "ready" | "failing";
  waiting: number;
  failed: number;
  createdAt: number;
  latest: WebhookEvent[];
};

/**
 * An event that is `waiting`, `posted` or `failed`, and what came of its last try.
 *
 * Times are Unix ms, and `dueAt` is there while it waits.
 */
export type WebhookEvent = {
  id: string;
  type: string;
  deliveryId: string;
  state: string;
  tries: number;
  statusCode: number | null;
  trouble: string;
  createdAt: number;
  dueAt: number | null;
};

/** The secret that posts are signed with; it is not shown again. */
export type WebhookSecret = {
  name: string;
  secret: string;
};

/** Who works on the queue; `lastLook` is Unix ms, null for never, `reason` says why nobody is alive. */
export type WorkerHealth = {
  alive: boolean;
  lastLook: number | null;
  reason?: string;
};

/** Settings with which a server can be reached. */
export type mailnode__web__api__connections__WorkingServer = {
  host: string;
  port: number;
  tlsOption: "tls" | "starttls" | "none";
};

/** Settings of the server that were tried, and work. */
export type mailnode__web__api__trial__WorkingServer = {
  host: string;
  port: number;
  tlsOption: "tls" | "starttls" | "none";
};

export interface Routes {
  "POST /api/flows/{name}/files": { answer: StoredFile };
  "POST /api/flows/import": { answer: Flow };
  "GET /api/flows": { answer: FlowSummary[] };
  "POST /api/flows": { body: NewFlow; answer: Flow };
  "POST /api/flows/{name}/rename": { body: FlowName; answer: Flow };
  "POST /api/flows/{name}/runs": { body: RunRequest; answer: FinishedRun };
  "POST /api/flows/check": { body: Draft; answer: CheckedDraft };
  "DELETE /api/flows/{name}": { answer: undefined };
  "GET /api/flows/{name}": { answer: Flow };
  "PUT /api/flows/{name}": { body: SavedDraft; answer: Flow };
  "PUT /api/flows/{name}/sample": { body: RunRequest; answer: Sample };
  "GET /api/layouts": { answer: LayoutSummary[] };
  "POST /api/layouts": { body: NewLayout; answer: Layout };
  "GET /api/layouts/{name}": { answer: Layout };
  "PUT /api/layouts/{name}": { body: SavedLayout; answer: Layout };
  "DELETE /api/layouts/{name}": { answer: undefined };
  "POST /api/layouts/preview": { body: LayoutDraft; answer: Previewed };
  "POST /api/preview": { body: PreviewRequest; answer: Previewed };
  "POST /api/preview/test": { body: TestRequest; answer: TestedEmail };
  "POST /api/preview/plan": { body: PreviewRequest; answer: Plan };
  "POST /api/preview/inbox": { body: PreviewRequest; answer: Plan };
  "POST /api/preview/server": { body: PreviewRequest; answer: ServerCheck };
  "GET /api/runs": { answer: RunPage };
  "GET /api/runs/{run_id}": { answer: Run };
  "GET /api/deliveries": { answer: DeliveryPage };
  "POST /api/deliveries/retry": { body: RetriedDeliveries; answer: BulkAnswer };
  "POST /api/deliveries/cancel": { body: ChosenDeliveries; answer: BulkAnswer };
  "GET /api/deliveries/history": { answer: History };
  "GET /api/deliveries/{delivery_id}": { answer: Delivery };
  "POST /api/deliveries/{delivery_id}/retry": { body?: RetryRequest; answer: Delivery };
  "POST /api/deliveries/{delivery_id}/cancel": { answer: Delivery };
  "GET /api/connections": { answer: Connection[] };
  "POST /api/connections": { body: NewConnection; answer: Connection };
  "GET /api/connections/{name}": { answer: Connection };
  "PATCH /api/connections/{name}": { body: Record<string, unknown>; answer: Connection };
  "DELETE /api/connections/{name}": { answer: undefined };
  "GET /api/connections/{name}/uses": { answer: ConnectionUses };
  "POST /api/connections/{name}/test": { body?: TestedServer | null; line: FindingLine | SummaryLine | Problem };
  "GET /api/apps": { answer: App[] };
  "POST /api/apps": { body: NewApp; answer: AppLogin };
  "GET /api/apps/{name}": { answer: App };
  "PATCH /api/apps/{name}": { body: Record<string, unknown>; answer: App };
  "DELETE /api/apps/{name}": { answer: undefined };
  "POST /api/apps/{name}/password": { answer: AppLogin };
  "GET /api/webhooks": { answer: Webhook[] };
  "POST /api/webhooks": { body: NewWebhook; answer: WebhookSecret };
  "GET /api/webhooks/{name}": { answer: WebhookDetails };
  "DELETE /api/webhooks/{name}": { answer: undefined };
  "POST /api/webhooks/{name}/test": { answer: WebhookAnswer };
  "POST /api/webhooks/{name}/replay": { body: Replay; answer: Replayed };
  "POST /api/connections/{name}/authorize": { answer: ConsentRequest };
  "GET /api/connections/{name}/authorize": { answer: ConsentState };
  "POST /api/connections/{name}/authorize/finish": { body: PastedAddress; answer: Authorization };
  "GET /api/services": { answer: EmailService[] };
  "GET /api/services/{name}": { answer: EmailService };
  "GET /api/inbox": { answer: CaughtMail[] };
  "DELETE /api/inbox": { answer: ClearedInbox };
  "GET /api/inbox/{number}": { answer: Mail };
  "GET /api/snapshots": { answer: Record<string, unknown>[] };
  "POST /api/snapshots": { body: NewSnapshot; answer: MadeSnapshot };
  "POST /api/snapshots/{name}/plan": { body: OpenRequest; answer: RestorePlan };
  "POST /api/snapshots/{name}/restore": { body: RestoreRequest; answer: RestorePlan };
  "GET /health": { answer: Health };
  "GET /health/live": { answer: Probe };
  "GET /health/ready": { answer: Probe };
}
