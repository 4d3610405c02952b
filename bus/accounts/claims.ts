/** What the accounts say: exports of core, imports of channels and groups, and a limit for everything. Pure. */
import type { Account, Export, Import, UserPermissionsLimits } from "@nats-io/jwt";
import { MAX_EVENT_BYTES } from "../log.ts";
import { STREAM } from "../subjects.ts";
import type { ChannelAccess } from "./access.ts";
import { ANSWER_WITHIN_MS, inboxOf, jwtPermissions } from "./permissions.ts";

/**
 * Static wildcards, so that a new channel or group changes nothing in core. Who may import which is decided by whoever
 * signs accounts, and only exact imports are signed. Nothing below $JS.API.STREAM or $JS.API.CONSUMER stands here.
 */
export const coreServices: readonly string[] = [
  "log.in.*.>",
  "log.cmd.*.*",
  "log.out.*.>",
  "query.*.*",
  "stats.*.*",
  "ipc.*.>",
  `$JS.API.DIRECT.GET.${STREAM}.log.in.*.>`,
  `$JS.API.DIRECT.GET.${STREAM}.log.out.*.>`,
];

export const coreStreams: readonly string[] = ["live.*.>", "feed.>", "intake.pause"];

function coreExports(): Export[] {
  const services = coreServices.map((subject): Export => ({
    name: subject,
    subject,
    type: "service",
    response_type: "Singleton",
    // The server keeps the way back of each request until it is answered or this old (default two minutes): a flood
    // of unanswered requests must not fill its memory. In nanoseconds.
    response_threshold: ANSWER_WITHIN_MS * 1_000_000,
  }));
  return [...services, ...coreStreams.map((subject): Export => ({ name: subject, subject, type: "stream" }))];
}

/** Bytes through an account are not limited by the server: the supervisor watches them and closes a flooder. */
const UNENFORCED = -1;

const noLeafNodes = { leaf: 0, disallow_bearer: true, wildcards: true } as const;
/** No JetStream of its own: only core stores anything. */
const noStorage = { mem_storage: 0, disk_storage: 0, streams: 0, consumer: 0 } as const;

/** The account of all services. */
export function coreAccount(signingKey: string): Partial<Account> {
  return {
    exports: coreExports(),
    signing_keys: [signingKey],
    limits: {
      ...noLeafNodes,
      // Five services, runners, CLI calls and the supervisor on one host; the rest is room for runners elsewhere.
      conn: 128,
      // Each process holds its inbox and a handful more.
      subs: 10_000,
      payload: MAX_EVENT_BYTES,
      data: UNENFORCED,
      imports: 0,
      exports: 32,
      // The log is on disk, and there is one.
      mem_storage: 0,
      disk_storage: -1,
      streams: 1,
      // One per reader and filter set; ephemeral ones of killed processes linger for seconds.
      consumer: 512,
      // The account's other bounds are the stream's own max_bytes.
      max_bytes_required: true,
    },
  };
}

/** The system account: pushes accounts and reads the server's figures. */
export function systemAccount(signingKey: string): Partial<Account> {
  return {
    signing_keys: [signingKey],
    limits: {
      ...noLeafNodes,
      ...noStorage,
      // The supervisor's and one of a person who looks.
      conn: 8,
      subs: 1000,
      payload: MAX_EVENT_BYTES,
      data: UNENFORCED,
      imports: 0,
      exports: 0,
    },
  };
}

/** One process; a second connection overlaps while a killed one is not yet noticed, two more for a look by hand. */
export const CHANNEL_CONNECTIONS = 4;
/** One per running sandbox; a group runs few at a time. */
export const GROUP_CONNECTIONS = 16;

/** The account of one channel. `closed` cuts its connections and allows no new one. */
export function channelAccount(
  access: ChannelAccess,
  corePublicKey: string,
  signingKey: string,
  closed: boolean,
): Partial<Account> {
  const imports = [
    ...access.services.map((subject) => importOf(subject, "service", corePublicKey)),
    ...access.streams.map((subject) => importOf(subject, "stream", corePublicKey)),
  ];
  return {
    imports,
    signing_keys: [signingKey],
    limits: {
      ...noLeafNodes,
      ...noStorage,
      conn: closed ? 0 : CHANNEL_CONNECTIONS,
      // A browser channel follows one chat per open page.
      subs: 1000,
      payload: MAX_EVENT_BYTES,
      data: UNENFORCED,
      imports: imports.length,
      exports: 0,
    },
  };
}

export const SANDBOX_ROLE = "sandbox";

/** What a sandbox's user may do, written into its account: a runner that mints users cannot give them more. */
function sandboxTemplate(groupToken: string): Partial<UserPermissionsLimits> {
  return {
    ...jwtPermissions({
      publish: [`ipc.${groupToken}.>`],
      publishDenied: [],
      // The server fills in the user's name: sandboxes of one group do not read each other's answers.
      subscribe: [`${inboxOf("{{name()}}")}.>`],
      answers: false,
    }),
    subs: 16,
    payload: MAX_EVENT_BYTES,
    data: UNENFORCED,
    bearer_token: false,
    allowed_connection_types: ["STANDARD"],
  };
}

/** The account of one group's sandboxes. */
export function groupAccount(
  groupToken: string,
  corePublicKey: string,
  sandboxKey: string,
  closed: boolean,
): Partial<Account> {
  const imports = [importOf(`ipc.${groupToken}.>`, "service", corePublicKey)];
  return {
    imports,
    signing_keys: [{ kind: "user_scope", key: sandboxKey, role: SANDBOX_ROLE, template: sandboxTemplate(groupToken) }],
    limits: {
      ...noLeafNodes,
      ...noStorage,
      conn: closed ? 0 : GROUP_CONNECTIONS,
      subs: 256,
      payload: MAX_EVENT_BYTES,
      data: UNENFORCED,
      imports: imports.length,
      exports: 0,
    },
  };
}

function importOf(subject: string, type: "service" | "stream", account: string): Import {
  return { name: subject, subject, type, account };
}
