/**
 * The error catalogue. A code is never reused; `action` is what the reader can do. Two families decide retry:
 * `terminal` (dead letter or refusal with its reason) and `retryable` (bounded back-off).
 */
export const errorCatalogue = {
  BUS_APPEND_CONFLICT: { family: "terminal", action: "Fold the entity again and decide anew." },
  BUS_APPEND_UNKNOWN: {
    family: "retryable",
    action: "The log may hold the event: append it again with the same fence.",
  },
  BUS_APPEND_DENIED: { family: "terminal", action: "Declare the subject in the access.ts beside the service." },
  BUS_APPEND_DUPLICATE: { family: "terminal", action: "An id was used as message id: this is a defect, report it." },
  BUS_EVENT_INVALID: { family: "terminal", action: "Correct the event: its data does not fit its schema." },
  BUS_EVENT_TOO_LARGE: { family: "terminal", action: "Send less text, or send it as a file." },
  BUS_EVENT_UNREADABLE: { family: "terminal", action: "Look at the dead letter; the log goes on without the event." },
  BUS_STREAM_FULL: { family: "retryable", action: "Free disk space or raise log.maxBytes in taffrail.yaml." },
  BUS_STORE_FAILED: {
    family: "retryable",
    action: "The broker cannot write; the supervisor restarts it. Check the disk.",
  },
  BUS_UNAVAILABLE: { family: "retryable", action: "Wait for the broker; `taffrail status` shows it." },
  BUS_CHECKPOINT_FOREIGN: { family: "terminal", action: "The checkpoint is of another log: the view is built again." },
  BUS_REQUEST_TIMEOUT: { family: "retryable", action: "The service does not answer; `taffrail status` shows it." },
  BUS_SUBJECT_INVALID: { family: "terminal", action: "Correct the id: it does not fit the subject grammar." },
  BROKER_TOO_OLD: { family: "terminal", action: "Install nats-server 2.14 or later, or let `npm start` fetch it." },
  BROKER_NOT_FOUND: {
    family: "terminal",
    action: "Install nats-server 2.14 or later, or name it as broker.path in taffrail.yaml.",
  },
  BROKER_NO_FSYNC: {
    family: "terminal",
    action: "Start the broker with sync_interval: always; nothing durable runs without it.",
  },
  BROKER_START_FAILED: { family: "terminal", action: "Read the broker's last lines above." },
  BROKER_UNSAFE_STREAM: { family: "terminal", action: "Remove the setting from the stream; the log forbids it." },
  CONFIG_INVALID: { family: "terminal", action: "Correct taffrail.yaml as the lines say; nothing was started." },
  HOME_NOT_WRITABLE: { family: "terminal", action: "Give this user the folder, or set TAFFRAIL_HOME to another one." },
  HOME_IN_USE: { family: "terminal", action: "Stop the other one with `taffrail down`, or set TAFFRAIL_HOME." },
  HOME_IMPORTED: {
    family: "terminal",
    action: "Read it with `taffrail replay` or `log show`; start in another folder.",
  },
  HOME_NOT_EMPTY: { family: "terminal", action: "Name another folder with --home." },
  BUNDLE_FOREIGN: { family: "terminal", action: "Give a file that `taffrail log export` wrote." },
  BUNDLE_NEWER: { family: "terminal", action: "Import it with the release that the message names, or a later one." },
  BUNDLE_CUT: { family: "terminal", action: "Copy or export it again; nothing was imported." },
  BUNDLE_DAMAGED: { family: "terminal", action: "Copy or export it again; nothing was imported." },
  BUNDLE_SCHEMA_DIFFERS: { family: "terminal", action: "Import it with the release that the message names." },
  BUNDLE_TOO_LARGE: { family: "terminal", action: "Export a single chat or turn." },
  BUNDLE_NOT_REDACTED: {
    family: "terminal",
    action: "Export with `--redact=text`, which blanks all words; no file was written. Please report it.",
  },
  BUNDLE_FILE_EXISTS: { family: "terminal", action: "Name another file with --out." },
  DISK_FULL: { family: "terminal", action: "Free space on the disk of the state folder, then start again." },
  PORT_TAKEN: { family: "terminal", action: "Stop what listens there, or set TAFFRAIL_PORT." },
  NOT_RUNNING: { family: "terminal", action: "Start it with `taffrail up`." },
  REBUILD_RUNNING: { family: "terminal", action: "Wait until the other `taffrail rebuild` has ended." },
  INTAKE_PAUSED: { family: "retryable", action: "The log takes no messages now; send it again later." },
  REQUEST_INVALID: { family: "terminal", action: "Correct the request as the message says." },
  REQUEST_TOO_LARGE: { family: "terminal", action: "Send less." },
  MESSAGE_ID_REUSED: { family: "terminal", action: "Use a new id for a new message." },
  ORIGIN_REFUSED: { family: "terminal", action: "Open the page under the address printed at start." },
  SIGN_IN_REQUIRED: { family: "terminal", action: "Open the link that `taffrail link` prints." },
  LINK_INVALID: {
    family: "terminal",
    action: "It was used, replaced by a newer one, or is older than 15 minutes; `taffrail link` prints a new one.",
  },
  NO_CONNECTION: { family: "retryable", action: "Check that Taffrail runs; the page connects again by itself." },
  NOT_FOUND: { family: "terminal", action: "Check the name or id." },
  TURN_NOT_RUNNING: { family: "terminal", action: "There is nothing to stop." },
  TURN_STILL_RUNNING: { family: "terminal", action: "Wait for its end, or stop it first." },
  TURN_UNKNOWN: { family: "terminal", action: "Name it by a number that `taffrail log show` prints." },
  TURN_TOO_MANY_STEPS: { family: "terminal", action: "Ask for less at once, or raise agent.maxSteps." },
  TASK_UNKNOWN: { family: "terminal", action: "Check the task's id." },
  TASK_IN_PAST: { family: "terminal", action: "Give a time in the future." },
  TOOL_UNKNOWN: { family: "terminal", action: "The model asked for a tool that does not exist; it was told so." },
  TOOL_FAILED: { family: "terminal", action: "The model was told the error." },
  MODEL_UNREACHABLE: { family: "retryable", action: "Start the model's server, or correct TAFFRAIL_MODEL_BASE_URL." },
  MODEL_AUTH: { family: "terminal", action: "Correct TAFFRAIL_MODEL_API_KEY." },
  MODEL_RATE_LIMITED: { family: "retryable", action: "Wait; the provider limits how often it is asked." },
  MODEL_SERVER_ERROR: { family: "retryable", action: "Wait for the provider, or choose another model." },
  MODEL_BAD_REQUEST: { family: "terminal", action: "Choose a model that takes what was asked; the message says why." },
  MODEL_BAD_RESPONSE: { family: "retryable", action: "Check that the address is that of such a model server." },
  MODEL_BROKEN_OFF: { family: "retryable", action: "Nothing: the step is asked again, a bounded number of times." },
  MODEL_TIMEOUT: { family: "retryable", action: "Look at the model's server: it is silent." },
  MODEL_CANCELLED: { family: "terminal", action: "Nothing: somebody stopped it." },
  MODEL_UNKNOWN: { family: "terminal", action: "Correct the model's name; the message shows the forms." },
  MODEL_WORKER_LOST: { family: "retryable", action: "Nothing: the step is asked again in a new thread." },
  HANDLER_FAILED: { family: "terminal", action: "The event is a dead letter; report it with `taffrail log show`." },
} as const satisfies Record<string, { family: "terminal" | "retryable"; action: string }>;

export type ErrorCode = keyof typeof errorCatalogue;

/** An error with a code of the catalogue. `data` holds facts for a program, `message` one sentence for a person. */
export class TaffrailError extends Error {
  readonly code: ErrorCode;
  readonly data: Readonly<Record<string, unknown>>;
  constructor(code: ErrorCode, message: string, data: Record<string, unknown> = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "TaffrailError";
    this.code = code;
    this.data = data;
  }
  get retryable(): boolean {
    return errorCatalogue[this.code].family === "retryable";
  }
  get action(): string {
    return errorCatalogue[this.code].action;
  }
}

/** True when `error` is ours and carries `code`. */
export function hasCode(error: unknown, code: ErrorCode): error is TaffrailError {
  return error instanceof TaffrailError && error.code === code;
}

/** One line for a log or a person, of whatever was thrown. */
export function describeError(error: unknown): string {
  if (error instanceof TaffrailError) return `${error.code}: ${error.message}`;
  return error instanceof Error ? error.message : String(error);
}
