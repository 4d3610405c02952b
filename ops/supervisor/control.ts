/** The control socket: one line of JSON each way. Whoever listens on it owns the state folder. */
import { chmodSync, closeSync, mkdirSync, openSync, rmdirSync, rmSync } from "node:fs";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { dirname, join } from "node:path";
import { TaffrailError } from "../../bus/errors.ts";
import type { RunFile } from "./run-files.ts";
import type { ProcessRow } from "./supervised.ts";

export type ControlRequest =
  | { readonly type: "status" }
  | { readonly type: "stop" }
  /** Stops a process for as long as the connection stands. */
  | { readonly type: "hold"; readonly process: string };

export interface StatusAnswer {
  readonly type: "status";
  readonly run?: RunFile;
  readonly processes: readonly ProcessRow[];
  readonly intakePaused?: string;
  /** Set when no Taffrail runs but a command reads the stopped log: its pid. */
  readonly reader?: number;
}

export type ControlAnswer =
  | StatusAnswer
  | { readonly type: "stopping" }
  | { readonly type: "held" }
  | { readonly type: "refused"; readonly why: string };

/** Answers a request; `closed` resolves when whoever asked is gone. */
export type ControlHandler = (request: ControlRequest, closed: Promise<void>) => ControlAnswer | Promise<ControlAnswer>;

export interface ControlServer {
  /** Takes no more; who waits for the end of this process goes on waiting. */
  close(): void;
  /** Also tells those that it is over: for a holder whose process goes on. */
  closeAll(): void;
}

const MAX_REQUEST_CHARS = 4_096;
/** A holder that answers nothing for this long is frozen, but it is there. */
const ANSWER_LIMIT_MS = 3_000;
/** A process that is to be held drains first, at most five seconds, or is killed. */
const HOLD_LIMIT_MS = 15_000;
/** A process is back within a second; a long catch-up or a laden machine takes its time. */
const READY_LIMIT_MS = 60_000;
/** Longest path the kernel takes for a socket, less its final zero byte. */
const MAX_SOCKET_PATH = 107;

/** Calls `use` with a path short enough for the kernel, however long the state folder's is (Linux: by /proc/self/fd). */
async function withSocketPath<T>(home: string, use: (path: string) => Promise<T>): Promise<T> {
  const path = join(home, "run", "supervisor.sock");
  if (Buffer.byteLength(path) <= MAX_SOCKET_PATH) return use(path);
  const folder = openSync(dirname(path), "r");
  try {
    return await use(`/proc/self/fd/${folder}/supervisor.sock`);
  } finally {
    closeSync(folder);
  }
}

function open(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    socket.once("connect", () => resolve(socket));
    socket.once("error", reject);
  });
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

/**
 * Takes the state folder.
 * @throws HOME_IN_USE when a supervisor, or a command that reads the stopped log, holds it.
 */
export async function listenControl(home: string, handle: ControlHandler): Promise<ControlServer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    serve(socket, handle);
  });
  await withSocketPath(home, async (path) => {
    // Two starts at once must not take each other's socket for a dead one. Left behind, it is younger than a second.
    const guard = join(home, "run", "starting");
    await takeGuard(guard);
    try {
      const holder = await open(path).catch(() => undefined);
      if (holder !== undefined) throw await inUse(home, holder);
      rmSync(path, { force: true });
      await listen(server, path);
      chmodSync(path, 0o600);
    } finally {
      rmdirSync(guard);
    }
  });
  // The name goes with the server: no rmSync, which could take the next one's.
  return {
    close: () => void server.close(),
    closeAll: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

async function inUse(home: string, holder: Socket): Promise<TaffrailError> {
  const answer = await ask(holder, { type: "status" }).catch(() => "{}");
  holder.destroy();
  const { reader } = JSON.parse(answer) as Partial<StatusAnswer>;
  const who =
    reader === undefined ? "another Taffrail runs on" : `a command (process ${reader}) reads the stopped log in`;
  return new TaffrailError("HOME_IN_USE", `${who} ${home}`, { home });
}

async function takeGuard(guard: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      mkdirSync(guard, { mode: 0o700 });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      // It is held for milliseconds; after a second its holder was killed.
      if (attempt === 40) rmdirSync(guard);
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
}

function serve(socket: Socket, handle: ControlHandler): void {
  let text = "";
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  const answer = async (line: string): Promise<void> => {
    // "stop" keeps the connection: it ends with this process, and that is the answer.
    const answered = await handle(JSON.parse(line) as ControlRequest, closed);
    if (socket.writable) socket.write(`${JSON.stringify(answered)}\n`);
  };
  socket.on("error", () => socket.destroy());
  socket.setEncoding("utf8");
  socket.on("data", (part: string) => {
    text += part;
    if (text.length > MAX_REQUEST_CHARS) socket.destroy();
    const end = text.indexOf("\n");
    if (end < 0) return;
    const line = text.slice(0, end);
    text = text.slice(end + 1);
    answer(line).catch(() => socket.destroy());
  });
}

async function connectControl(home: string): Promise<Socket> {
  try {
    return await withSocketPath(home, open);
  } catch (error) {
    throw new TaffrailError("NOT_RUNNING", `Taffrail does not run on ${home}`, { home }, error);
  }
}

/** @throws NOT_RUNNING, BUS_REQUEST_TIMEOUT when the supervisor does not answer. */
export async function askStatus(home: string): Promise<StatusAnswer> {
  const socket = await connectControl(home);
  try {
    const answer = JSON.parse(await ask(socket, { type: "status" })) as StatusAnswer;
    const message = `Taffrail does not run on ${home}; a command (process ${answer.reader}) reads its log there`;
    if (answer.reader !== undefined) throw new TaffrailError("NOT_RUNNING", message, { home });
    return answer;
  } finally {
    socket.destroy();
  }
}

/** Stops the running Taffrail; resolves when its supervisor has ended. @throws NOT_RUNNING */
export async function askStop(home: string): Promise<void> {
  const socket = await connectControl(home);
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  await ask(socket, { type: "stop" });
  await closed;
}

/**
 * Runs `use` while the supervisor keeps this process stopped; it is started again whatever becomes of the caller. Resolves
 * when it is ready again.
 * @throws NOT_RUNNING, NOT_FOUND when there is no such process or it is held already.
 */
export async function whileHeld(home: string, process: string, use: () => Promise<void>): Promise<void> {
  const socket = await connectControl(home);
  try {
    const answer = JSON.parse(await ask(socket, { type: "hold", process }, HOLD_LIMIT_MS)) as ControlAnswer;
    if (answer.type === "refused") throw new TaffrailError("NOT_FOUND", answer.why, { process });
    await use();
  } finally {
    socket.destroy();
  }
  for (const endMs = performance.now() + READY_LIMIT_MS; performance.now() < endMs;) {
    const { processes } = await askStatus(home);
    if (processes.some(({ name, ready }) => name === process && ready)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new TaffrailError("BUS_REQUEST_TIMEOUT", `${process} does not come back`, { process });
}

/** Resolves when the running Taffrail has ended. @throws NOT_RUNNING */
export async function watchEnd(home: string): Promise<{ ended: Promise<void>; forget(): void }> {
  const socket = await connectControl(home);
  socket.on("error", () => undefined);
  // Nothing is said on it; its end is read only when data would be.
  socket.resume();
  return { ended: new Promise((resolve) => socket.once("close", () => resolve())), forget: () => socket.destroy() };
}

function ask(socket: Socket, request: ControlRequest, limitMs = ANSWER_LIMIT_MS): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const timer = setTimeout(() => fail("does not answer"), limitMs);
    const fail = (why: string): void => reject(new TaffrailError("BUS_REQUEST_TIMEOUT", `the supervisor ${why}`));
    socket.setEncoding("utf8");
    socket.on("data", (part: string) => {
      text += part;
      const end = text.indexOf("\n");
      if (end < 0) return;
      clearTimeout(timer);
      resolve(text.slice(0, end));
    });
    socket.on("error", () => fail("closed the connection"));
    socket.on("close", () => {
      clearTimeout(timer);
      fail("closed the connection");
    });
    socket.write(`${JSON.stringify(request)}\n`);
  });
}
