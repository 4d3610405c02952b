/** What must be true of the machine before anything starts. Each failure is one clear sentence. */
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { TaffrailError } from "../../bus/errors.ts";
import { isImported } from "../bundle/place.ts";
import { findNatsServer } from "../setup/nats-server.mjs";
import { isExecutable } from "../setup/run.mjs";

const MIB = 1024 * 1024;
/** Less, and the broker cannot even write its first block, the keys and a read model. */
export const START_FREE_BYTES = 64 * MIB;
/**
 * Intake pauses below this. Turns that run may still write some hundred of the largest events, the read model and a
 * snapshot: a broker that meets a full disk refuses every write until it is restarted (DESIGN 3).
 */
export const PAUSE_FREE_BYTES = 256 * MIB;
/** The log's limit is rounded to this, so that it does not change at every start. */
const LIMIT_STEP_BYTES = 64 * MIB;

/** One folder after the other: Node's recursive form never returns on file systems that refuse with ENOENT, as /proc does. */
function makeFolder(folder: string): void {
  if (existsSync(folder)) return;
  const parent = dirname(folder);
  if (parent !== folder) makeFolder(parent);
  mkdirSync(folder, { mode: 0o700 });
}

/** An imported log has no keys and is another machine's: nothing may be appended to it. @throws HOME_IMPORTED */
export function checkNotImported(home: string): void {
  if (!isImported(home)) return;
  throw new TaffrailError("HOME_IMPORTED", `the state folder ${home} holds an imported bundle`, { home });
}

/** Makes the state folder 0700 and writes into it. @throws HOME_NOT_WRITABLE */
export function checkHome(home: string): void {
  try {
    makeFolder(home);
    if (!statSync(home).isDirectory()) throw new Error("it is a file");
    chmodSync(home, 0o700);
    mkdirSync(join(home, "run"), { recursive: true, mode: 0o700 });
    accessSync(home, constants.W_OK | constants.X_OK);
    const probe = join(home, "run", `.probe-${process.pid}`);
    writeFileSync(probe, "", { mode: 0o600 });
    rmSync(probe);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOSPC" || code === "EDQUOT") throw noSpace(home, 0);
    throw new TaffrailError(
      "HOME_NOT_WRITABLE",
      `the state folder ${home} cannot be used: ${reasonOf(error)}`,
      { home },
      error,
    );
  }
}

function reasonOf(error: unknown): string {
  const words: Record<string, string> = {
    EACCES: "no permission",
    EPERM: "it belongs to another user",
    EROFS: "the disk is read-only",
    ENOTDIR: "a part of the path is a file",
    EEXIST: "it is a file",
  };
  const code = (error as NodeJS.ErrnoException).code ?? "";
  return words[code] ?? (error instanceof Error ? error.message : String(error));
}

function noSpace(home: string, free: number): TaffrailError {
  const message = `the disk of ${home} has ${Math.floor(free / MIB)} MiB free; ${START_FREE_BYTES / MIB} MiB are needed to start`;
  return new TaffrailError("DISK_FULL", message, { freeBytes: free });
}

/** Bytes this user may still write on the disk of `folder` (or of its nearest parent that exists). */
export function freeBytes(folder: string): number {
  let present = folder;
  while (!existsSync(present) && dirname(present) !== present) present = dirname(present);
  const { bavail, bsize } = statfsSync(present);
  return bavail * bsize;
}

/** @throws DISK_FULL */
export function checkSpace(home: string): number {
  const free = freeBytes(home);
  if (free < START_FREE_BYTES) throw noSpace(home, free);
  return free;
}

/** Bytes of the files below `folder`; 0 when there is none. */
export function folderBytes(folder: string): number {
  if (!existsSync(folder)) return 0;
  let bytes = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (entry.isFile()) bytes += lstatSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0;
  }
  return bytes;
}

/** The log's limit: what is configured, but never more than the disk holds less the reserve. */
export function effectiveMaxBytes(configured: number, free: number, used: number): number {
  const room = Math.floor((used + free - PAUSE_FREE_BYTES) / LIMIT_STEP_BYTES) * LIMIT_STEP_BYTES;
  // Never below what is stored and some room: a full disk pauses intake, but ends of turns must still be written.
  return Math.max(Math.min(configured, Math.max(room, used + LIMIT_STEP_BYTES)), LIMIT_STEP_BYTES);
}

/** Listens on 127.0.0.1 for a moment. Port 0 resolves to a free one. @throws PORT_TAKEN */
export async function checkPort(port: number): Promise<number> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ port, host: "127.0.0.1", exclusive: true }, resolve);
    });
    const address = server.address();
    return typeof address === "object" && address !== null ? address.port : port;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const why = code === "EACCES" ? "may not be used by this user" : "is taken by another program";
    throw new TaffrailError("PORT_TAKEN", `port ${port} on 127.0.0.1 ${why}`, { port }, error);
  } finally {
    server.close();
  }
}

/** `count` different free ports on 127.0.0.1. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  try {
    return await Promise.all(
      servers.map(
        (server) =>
          new Promise<number>((resolve, reject) => {
            server.once("error", reject);
            server.listen({ port: 0, host: "127.0.0.1" }, () => {
              const address = server.address();
              resolve(typeof address === "object" && address !== null ? address.port : 0);
            });
          }),
      ),
    );
  } finally {
    for (const server of servers) server.close();
  }
}

/** The broker's program. @throws BROKER_NOT_FOUND, BROKER_TOO_OLD */
export async function checkBrokerProgram(
  configured: string | undefined,
  env: NodeJS.ProcessEnv,
): Promise<{ path: string; version: string }> {
  // What was looked at and not taken says more than "not found".
  const notes: string[] = [];
  try {
    const found = await findNatsServer({ configured, env, report: (line: string) => notes.push(line.trim()) });
    if (found !== undefined) return found;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    // It refuses only a chosen one: what is there and runs is too old.
    const chosen = configured ?? env["TAFFRAIL_NATS_SERVER"] ?? "";
    throw new TaffrailError(isExecutable(chosen) ? "BROKER_TOO_OLD" : "BROKER_NOT_FOUND", message, {}, error);
  }
  const older = notes[0];
  if (older !== undefined) throw new TaffrailError("BROKER_TOO_OLD", older);
  throw new TaffrailError("BROKER_NOT_FOUND", "no nats-server 2.14 or later was found");
}
