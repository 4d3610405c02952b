/** Declarations to users' permissions. Pure. */
import type { Permissions } from "@nats-io/jwt";
import {
  logMakerPublish,
  logReaderPublish,
  wakeQueueMaking,
  wakeQueuePublish,
  wakeQueueRemoval,
  wakeQueueTaking,
  type Access,
  type CoreAccess,
} from "./access.ts";

export interface UserPermissions {
  readonly publish: readonly string[];
  readonly publishDenied: readonly string[];
  readonly subscribe: readonly string[];
  /** May answer each request it receives once. */
  readonly answers: boolean;
}

/** A service has this long to answer; an answer given later is refused. Longer than any query's timeout. */
export const ANSWER_WITHIN_MS = 10_000;

/** The user's own inbox: replies to one process are never delivered to another. */
export function inboxOf(user: string): string {
  return `_INBOX_${user}`;
}

function corePermissions(access: CoreAccess): UserPermissions {
  const publish = new Set(access.publish);
  if (access.reads) for (const subject of logReaderPublish) publish.add(subject);
  if (access.wakeQueue) for (const subject of wakeQueuePublish) publish.add(subject);
  if (access.makesLog) for (const subject of logMakerPublish) publish.add(subject);
  // Only readers hold wildcards that cover the queue's own subjects.
  const guarded = access.reads
    ? [wakeQueueRemoval, ...(access.wakeQueue ? [] : wakeQueueTaking), ...(access.makesLog ? [] : wakeQueueMaking)]
    : [];
  return {
    publish: [...publish],
    publishDenied: guarded,
    subscribe: [...access.subscribe, ...(access.serves ?? []), `${inboxOf(access.user)}.>`],
    answers: (access.serves ?? []).length > 0,
  };
}

/** The permissions of the one user of a declaration. A channel's user is held to its account's imports. */
export function permissionsOf(access: Access): UserPermissions {
  if (access.type === "core") return corePermissions(access);
  return {
    publish: access.services,
    publishDenied: [],
    subscribe: [...access.streams, `${inboxOf(access.channel)}.>`],
    answers: false,
  };
}

/** An empty allow list would allow everything, so it is written as a denial of everything. */
function subjectRights(allow: readonly string[], deny: readonly string[]): { allow: string[]; deny: string[] } {
  return allow.length === 0 ? { allow: [], deny: [">"] } : { allow: [...allow], deny: [...deny] };
}

/** The permissions as a JWT writes them. */
export function jwtPermissions(permissions: UserPermissions): Permissions {
  return {
    pub: subjectRights(permissions.publish, permissions.publishDenied),
    sub: subjectRights(permissions.subscribe, []),
    // The JWT counts in nanoseconds.
    ...(permissions.answers ? { resp: { max: 1, ttl: ANSWER_WITHIN_MS * 1_000_000 } } : {}),
  };
}
