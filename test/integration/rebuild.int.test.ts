// The read model of a lively run, rebuilt from the log in other batches, equals the live one byte for byte.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { LogEntry } from "../../bus/event.ts";
import { LOG_ROOT } from "../../bus/subjects.ts";
import { projectBatch } from "../../services/ui-projection/app.ts";
import { openReadModel } from "../../services/ui-projection/database.ts";
import { back, kill } from "../faults/processes.ts";
import { openSpy, type Spy } from "../faults/spy.ts";
import { startSystem, until, type System } from "../support/system.ts";

let home: string;
let scratch: string;
let system: System;
let spy: Spy;

before(async () => {
  [home, scratch] = (await Promise.all(
    ["taffrail-rebuild-", "taffrail-views-"].map((name) => mkdtemp(join(tmpdir(), name))),
  )) as [string, string];
  system = await startSystem({ home, model: "demo:fast" });
  spy = await openSpy(home);
});

after(async () => {
  await spy.close();
  await system.stop();
  for (const folder of [home, scratch]) await rm(folder, { recursive: true, force: true });
});

async function call(method: string, path: string, body?: Record<string, unknown>): Promise<void> {
  const { status, body: answer } = await system.api(method, path, body);
  assert.equal(status, 202, `${path} ${JSON.stringify(answer)}`);
}

async function send(chat: string, text: string, more: Record<string, unknown> = {}): Promise<string> {
  const id = randomUUID();
  await call("POST", `/api/chats/${chat}/messages`, { id, text, ...more });
  return id;
}

const command = (type: string, data: Record<string, unknown>): Promise<void> =>
  call("POST", "/api/commands", { type, command: randomUUID(), ...data });

/** A bit of everything that a chat can hold. */
async function live(): Promise<void> {
  await Promise.all(
    Array.from({ length: 8 }, async (_, index) => {
      const chat = `lively${index}`;
      await call("PUT", `/api/chats/${chat}/messages/early`, { revision: "r1", text: "echo edited first" });
      await call("POST", `/api/chats/${chat}/messages`, { id: "early", text: "echo original" });
      await send(chat, `remember thing ${index} then echo ${index}`);
      await send(chat, "what time is it", { mode: "queue" });
      const gone = await send(chat, "hello");
      await call("DELETE", `/api/chats/${chat}/messages/${gone}`);
      await call("DELETE", `/api/chats/${chat}/messages/neverseen`);
    }),
  );
  await send("stopped", "count to 1000", { model: "demo:slow" });
  await spy.event("TurnClaimed", { chat: "stopped" });
  await command("CancelTurn", { chat: "stopped" });
  const { turn } = (await spy.event("TurnCancelled", { chat: "stopped" })).data;
  await command("SelectChatModel", { chat: "stopped", model: "demo:fast" });
  await command("RetryTurn", { chat: "stopped", turn });
  await command("RetryTurn", { chat: "stopped", turn: "unknown" });
  await send("failing", "fail 401");
  await spy.event("TurnFailed", { chat: "failing" });
  await spy.event("TurnCompleted", { chat: "stopped" });
  await command("ScheduleTask", {
    group: "main",
    due: new Date(Date.now() + 300).toISOString(),
    text: "echo on time",
    replyTo: { channel: "web", chat: "tasks" },
  });
  await until("the task's answer", async () =>
    (await spy.events()).some((event) => event.type === "TurnCompleted" && event.data.replyTo.chat === "tasks"),
  );
  await until("every turn to end", async () => {
    const { body } = await system.api("GET", "/api/chats");
    return (body["chats"] as { running: boolean }[]).every((chat) => !chat.running);
  });
}

interface Digest {
  readonly seq: number;
  readonly digest: string;
}

/** The live file as it stands once the projection has seen the whole log. */
async function liveDigest(): Promise<Digest> {
  return until("a quiet read model", async () => {
    const file = join(scratch, `${randomUUID()}.sqlite`);
    for (const suffix of ["", "-wal"]) {
      const from = join(home, "state", `views.sqlite${suffix}`);
      if (existsSync(from)) await copyFile(from, `${file}${suffix}`);
    }
    const model = await openReadModel(file);
    try {
      const seq = (await model.checkpoint())?.seq ?? 0;
      const digest = await model.digest();
      return seq === (await spy.log.identity()).lastSeq ? { seq, digest } : undefined;
    } finally {
      await model.close();
    }
  });
}

/** Projects these batches into a new file. */
async function rebuild(batches: Iterable<readonly LogEntry[]>): Promise<string> {
  const model = await openReadModel(join(scratch, `${randomUUID()}.sqlite`));
  try {
    for (const batch of batches)
      await projectBatch(model, batch, "rebuilt", (entry) => Promise.reject(new Error(`poison at ${entry.seq}`)));
    return await model.digest();
  } finally {
    await model.close();
  }
}

function* inBatches(entries: readonly LogEntry[], size: number): Iterable<readonly LogEntry[]> {
  for (let from = 0; from < entries.length; from += size) yield entries.slice(from, from + size);
}

async function entriesTo(seq: number): Promise<LogEntry[]> {
  return spy.log.fetch({ filter: LOG_ROOT, fromSeq: 1, toSeq: seq, limit: 100_000 });
}

test("a read model built again from the log equals the live one, whatever the batches", async (t) => {
  await live();
  const { seq, digest } = await liveDigest();
  const entries = await entriesTo(seq);
  t.diagnostic(`${entries.length} events of ${new Set(entries.map((entry) => entry.type)).size} types`);
  assert.ok(entries.length > 150);
  assert.equal(await rebuild(inBatches(entries, 1)), digest);
  assert.equal(await rebuild(inBatches(entries, 17)), digest);
  assert.equal(await rebuild([entries]), digest);
  const twice = [...inBatches(entries, 5)].flatMap((batch) => [batch, batch]);
  assert.equal(await rebuild(twice), digest, "delivered twice is harmless");
  // The control: the digest sees a single event.
  const answer = entries.findLastIndex((entry) => entry.type === "TurnCompleted");
  assert.notEqual(await rebuild([entries.toSpliced(answer, 1)]), digest);
});

test("a read model that was deleted is built again by the process itself, to the same bytes", async () => {
  const pid = await kill(home, "ui-projection");
  for (const suffix of ["", "-wal", "-shm"]) await rm(join(home, "state", `views.sqlite${suffix}`), { force: true });
  // It may have been started before the file was gone; the next one surely finds none.
  await back(home, "ui-projection", pid);
  const next = await kill(home, "ui-projection");
  for (const suffix of ["", "-wal", "-shm"]) await rm(join(home, "state", `views.sqlite${suffix}`), { force: true });
  await back(home, "ui-projection", next);
  await send("lively0", "echo after the rebuild");
  await until("the answer on the page", async () => {
    const { body } = await system.api("GET", "/api/chats/lively0/items");
    return JSON.stringify(body).includes('"text":"after the rebuild"');
  });
  const { seq, digest } = await liveDigest();
  assert.equal(await rebuild(inBatches(await entriesTo(seq), 64)), digest);
});
