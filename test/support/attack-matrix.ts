/** Every subject there is, by the declarations and by the server's own interfaces; and who may touch which. */
import { logReaderPublish, wakeQueueMaking, type Access } from "../../bus/accounts/access.ts";
import { permissionsOf } from "../../bus/accounts/permissions.ts";
import { matchesFilter } from "../../bus/subjects.ts";

/** A subject that `pattern` covers. */
export function concrete(pattern: string): string {
  return pattern
    .split(".")
    .map((token) => (token === "*" ? "t1" : token === ">" ? "t2.t3" : token))
    .join(".");
}

/** Nobody holds these: they destroy, change or copy the log, or are the server's own. */
export const forbiddenToAll: readonly string[] = [
  "$JS.API.STREAM.DELETE.LOG",
  "$JS.API.STREAM.PURGE.LOG",
  "$JS.API.STREAM.MSG.DELETE.LOG",
  "$JS.API.STREAM.MSG.GET.LOG",
  "$JS.API.STREAM.SNAPSHOT.LOG",
  "$JS.API.STREAM.RESTORE.LOG",
  "$JS.API.STREAM.CREATE.COPY",
  "$JS.API.STREAM.LIST",
  "$JS.API.STREAM.NAMES",
  "$JS.API.STREAM.PEER.REMOVE.LOG",
  "$JS.API.STREAM.LEADER.STEPDOWN.LOG",
  "$JS.API.CONSUMER.LIST.LOG",
  "$JS.API.CONSUMER.NAMES.LOG",
  "$JS.API.CONSUMER.DELETE.LOG.wake",
  "$JS.API.CONSUMER.PAUSE.LOG.wake",
  "$JS.API.CONSUMER.RESET.LOG.wake",
  "$JS.API.CONSUMER.UNPIN.LOG.wake",
  "$JS.API.CONSUMER.LEADER.STEPDOWN.LOG.wake",
  "$JS.API.DIRECT.GET.COPY",
  "$JS.API.SERVER.REMOVE",
  "$JS.API.ACCOUNT.PURGE.CORE",
  "$SYS.REQ.CLAIMS.DELETE",
  "$SYS.REQ.CLAIMS.PACK",
  "$SYS.REQ.SERVER.PING.CONNZ",
  "$SYS.REQ.ACCOUNT.NSUBS",
  "$SYS.REQ.USER.INFO",
  "$SYS.ACCOUNT.CORE.CONNECT",
  "_INBOX.t1",
  "_INBOX_admin.t1",
  "_R_.t1.t2",
  "log.t1",
  "log.config",
  "log.device.t1",
  "log.host.t1",
  "log.out.web.t1",
  "log.turn.web.t1.t2.run",
  "log.turn.web.t1.t2.other",
  "t1",
];

/** Wide subscriptions that would hear others. */
export const wideSubscriptions: readonly string[] = [
  ">",
  "*",
  "*.>",
  "log.>",
  "live.>",
  "live.*.>",
  "feed.>",
  "query.>",
  "ipc.>",
  "stats.>",
  "$JS.>",
  "$JS.EVENT.ADVISORY.>",
  "$JS.ACK.LOG.>",
  "$SYS.>",
  "_INBOX.>",
  "_R_.>",
  "_INBOX_*.>",
];

/**
 * Who may append where, by DESIGN 4 and by hand: the one thing here that is not made from the declarations, so that a
 * declaration which asks for a foreign lane is found.
 */
export const laneOwners: readonly { readonly subject: string; readonly owners: readonly string[] }[] = [
  { subject: "log.in.web.c.m.0", owners: ["web"] },
  { subject: "log.in.other.c.m.0", owners: ["other"] },
  { subject: "log.in.telegram.c.m.0", owners: [] },
  { subject: "log.cmd.web.x", owners: ["web"] },
  { subject: "log.cmd.other.x", owners: ["other"] },
  { subject: "log.cmd.cli.x", owners: ["cli"] },
  { subject: "log.turn.web.c.t.wake", owners: ["router"] },
  { subject: "log.turn.web.c.t.signal", owners: ["router"] },
  { subject: "log.turn.web.c.t.run.step", owners: ["agent-runner"] },
  { subject: "log.turn.web.c.t.run.out.web", owners: ["agent-runner"] },
  { subject: "log.out.web.r", owners: [] },
  { subject: "log.out.other.r", owners: ["other"] },
  { subject: "log.task.g.t", owners: ["scheduler"] },
  { subject: "log.group.g", owners: ["router"] },
  { subject: "log.chat.web.c", owners: ["router"] },
  { subject: "log.process.router", owners: ["supervisor"] },
  { subject: "log.dead.router.1", owners: ["router"] },
  { subject: "log.dead.stats.1", owners: ["stats"] },
  { subject: "log.config", owners: [] },
  { subject: "log.device.d", owners: [] },
  { subject: "log.host.h", owners: [] },
];

export interface Rights {
  readonly publish: (subject: string) => boolean;
  readonly subscribe: (subject: string) => boolean;
}

/** What a declared user may do, worked out here without the code that mints. */
export function rightsOf(access: Access): Rights {
  const { publish, publishDenied, subscribe } = permissionsOf(access);
  return {
    publish: (subject) =>
      publish.some((filter) => matchesFilter(filter, subject)) &&
      !publishDenied.some((filter) => matchesFilter(filter, subject)),
    // A wildcard subscription is allowed when a filter covers all of it; as text it then matches that filter.
    subscribe: (subject) => subscribe.some((filter) => matchesFilter(filter, subject) && !wider(subject, filter)),
  };
}

function wider(subject: string, filter: string): boolean {
  const have = filter.split(".");
  return subject.split(".").some((token, index) => {
    if (token === ">") return have[index] !== ">" && !have.slice(0, index).includes(">");
    if (token === "*") return have[index] !== "*" && have[index] !== ">" && !have.slice(0, index).includes(">");
    return false;
  });
}

/** One subject of each kind that anybody may publish or hear, and all that nobody may. Grows with the declarations. */
export function allSubjects(declared: readonly Access[]): string[] {
  const patterns = declared.flatMap((access) => {
    const { publish, subscribe } = permissionsOf(access);
    return [...publish, ...subscribe];
  });
  const subjects = [...patterns, ...logReaderPublish, ...wakeQueueMaking].map(concrete);
  return [...new Set([...subjects, ...forbiddenToAll, ...laneOwners.map((lane) => lane.subject)])];
}

export function nameOf(access: Access): string {
  return access.type === "core" ? access.user : access.channel;
}
