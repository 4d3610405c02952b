/**
 * What a process declares beside its code (`access.ts` in its folder): the subjects it needs and nothing else. The
 * supervisor turns declarations into accounts, imports and users (DESIGN 6); the attack matrix is made from the same
 * declarations, so that a new right is attacked by the tests on the day it is declared.
 */
import { TaffrailError } from "../errors.ts";
import { STREAM } from "../subjects.ts";
import { WAKE_QUEUE } from "../log.ts";

/** A process inside the core account. Lists are NATS subjects, with `*` and a final `>` as wildcards. */
export interface CoreAccess {
  readonly type: "core";
  /** Name of the process; it is also the name of its user and its inbox. */
  readonly user: string;
  /** Appends and other messages of its own. */
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
  /** Requests it answers: it may subscribe to them and reply once to each, and needs no other right to publish. */
  readonly serves?: readonly string[];
  /** May follow the log with ephemeral consumers and read single events. */
  readonly reads?: boolean;
  /** May take work from the durable queue of the runners. */
  readonly wakeQueue?: boolean;
  /** May make and change the stream and its durable queue. */
  readonly makesLog?: boolean;
}

/** A channel, which has an account of its own; everything it reaches in core is an import. */
export interface ChannelAccess {
  readonly type: "channel";
  /** Name of the channel, of its account, its user and its inbox. */
  readonly channel: string;
  /** Core subjects it may publish to or request, under the same name. */
  readonly services: readonly string[];
  /** Core subjects it may subscribe to, under the same name. */
  readonly streams: readonly string[];
}

export type Access = CoreAccess | ChannelAccess;

const api = "$JS.API";

/** What our reader needs: ephemeral pull consumers of its own, single events, the stream's figures. */
export const logReaderPublish: readonly string[] = [
  `${api}.INFO`,
  `${api}.STREAM.INFO.${STREAM}`,
  `${api}.CONSUMER.CREATE.${STREAM}`,
  `${api}.CONSUMER.CREATE.${STREAM}.*`,
  `${api}.CONSUMER.CREATE.${STREAM}.*.>`,
  `${api}.CONSUMER.INFO.${STREAM}.*`,
  `${api}.CONSUMER.DELETE.${STREAM}.*`,
  `${api}.CONSUMER.MSG.NEXT.${STREAM}.*`,
  `${api}.DIRECT.GET.${STREAM}`,
  `${api}.DIRECT.GET.${STREAM}.>`,
  `$JS.ACK.${STREAM}.>`,
  "$JS.FC.>",
];

/** The runners' queue must not be taken from, changed or removed by a reader who names it. */
export const wakeQueueTaking: readonly string[] = [
  `${api}.CONSUMER.MSG.NEXT.${STREAM}.${WAKE_QUEUE}`,
  `$JS.ACK.${STREAM}.${WAKE_QUEUE}.>`,
];

export const wakeQueueMaking: readonly string[] = [
  `${api}.CONSUMER.CREATE.${STREAM}.${WAKE_QUEUE}`,
  `${api}.CONSUMER.CREATE.${STREAM}.${WAKE_QUEUE}.>`,
  `${api}.CONSUMER.DURABLE.CREATE.${STREAM}.${WAKE_QUEUE}`,
];

/** Nobody removes the queue: what it holds of deliveries would be handed out again. */
export const wakeQueueRemoval = `${api}.CONSUMER.DELETE.${STREAM}.${WAKE_QUEUE}`;

export const wakeQueuePublish: readonly string[] = [
  `${api}.INFO`,
  `${api}.STREAM.INFO.${STREAM}`,
  `${api}.CONSUMER.INFO.${STREAM}.${WAKE_QUEUE}`,
  ...wakeQueueTaking,
];

/** Never STREAM.DELETE, PURGE or MSG.DELETE: nobody holds those rights (DESIGN 4, nothing is purged). */
export const logMakerPublish: readonly string[] = [
  `${api}.INFO`,
  `${api}.STREAM.INFO.${STREAM}`,
  `${api}.STREAM.CREATE.${STREAM}`,
  `${api}.STREAM.UPDATE.${STREAM}`,
  `${api}.CONSUMER.INFO.${STREAM}.${WAKE_QUEUE}`,
  ...wakeQueueMaking,
];

/** Direct reads of one's own entities: the subject stands in the API subject, so the account's import binds it. */
export function ownDirectGet(lane: "in" | "out", channel: string): string {
  return `${api}.DIRECT.GET.${STREAM}.log.${lane}.${channel}.>`;
}

const NAME = /^[a-z][a-z0-9-]{0,30}$/;

/** What an account may import at the most; a declaration that wants more is a defect and nothing is minted from it. */
function allowedImports(channel: string): { services: RegExp[]; streams: RegExp[] } {
  const tail = String.raw`(\.[A-Za-z0-9_*-]+)*(\.>)?$`;
  const escaped = channel.replaceAll("-", String.raw`\-`);
  const own = (prefix: string): RegExp => new RegExp(`^${prefix}\\.${escaped}${tail}`);
  return {
    services: [
      own("log\\.in"),
      own("log\\.cmd"),
      own("log\\.out"),
      own("\\$JS\\.API\\.DIRECT\\.GET\\.LOG\\.log\\.in"),
      own("\\$JS\\.API\\.DIRECT\\.GET\\.LOG\\.log\\.out"),
      new RegExp(`^stats\\.\\*\\.${escaped}$`),
      /^query\.[a-z][a-z0-9-]*\.[a-z*][a-z0-9-]*$/,
    ],
    streams: [own("live"), /^feed(\.[A-Za-z0-9_-]+)*(\.>)?$/, /^intake\.pause$/],
  };
}

/** Every way in which `access` asks for more than its kind may have; empty when it is fine. */
export function accessProblems(access: Access): string[] {
  const name = access.type === "core" ? access.user : access.channel;
  const problems = NAME.test(name) ? [] : [`"${name}" is no process name`];
  if (access.type === "core") {
    for (const subject of [...access.publish, ...access.subscribe, ...(access.serves ?? [])]) {
      if (/^[>*]|^\$|^_|^log\.>|^log\.\*/.test(subject)) problems.push(`${name}: "${subject}" is too wide`);
    }
    return problems;
  }
  const allowed = allowedImports(access.channel);
  for (const subject of access.services) {
    if (!allowed.services.some((pattern) => pattern.test(subject)))
      problems.push(`${name}: "${subject}" is no service a channel may import`);
  }
  for (const subject of access.streams) {
    if (!allowed.streams.some((pattern) => pattern.test(subject)))
      problems.push(`${name}: "${subject}" is no stream a channel may import`);
  }
  return problems;
}

/** Throws BUS_SUBJECT_INVALID when a declaration asks for too much or a name is declared twice. */
export function checkAccess(declarations: readonly Access[]): void {
  const problems = declarations.flatMap(accessProblems);
  const names = declarations.map((access) => (access.type === "core" ? access.user : access.channel));
  for (const name of new Set(names)) {
    if (names.filter((other) => other === name).length > 1) problems.push(`"${name}" is declared twice`);
  }
  if (problems.length > 0) {
    throw new TaffrailError("BUS_SUBJECT_INVALID", `access declarations: ${problems.join("; ")}`, { problems });
  }
}
