import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { decodeEvent } from "../../bus/codec.ts";
import { hasCode, type ErrorCode } from "../../bus/errors.ts";
import type { LogEntry } from "../../bus/event.ts";
import { rawMessage, type StoredMessage } from "../../bus/raw.ts";
import { filters, lanes, matchesFilter } from "../../bus/subjects.ts";
import { memorySource, mint, storedEvent } from "../../test/support/memory-source.ts";
import { exportToFile, type ExportSource } from "./export.ts";
import { importBundle } from "./import.ts";
import { openImported } from "./reader.ts";
import type { WantedScope } from "./select.ts";

const folder = mkdtempSync(join(tmpdir(), "taffrail-bundle-"));
after(() => rmSync(folder, { recursive: true, force: true }));
let made = 0;
const path = (): string => join(folder, String(++made));

const SETTINGS = {
  configuredModel: "demo",
  systemPrompt: "be\nkind",
  maxSteps: 7,
  maxOutputTokens: 99,
  queueMode: "queue",
} as const;

async function exported(source: ExportSource, scope: WantedScope = { type: "all" }): Promise<string> {
  const file = path();
  await exportToFile(source, { scope, settings: SETTINGS, exportedAt: "2026-01-01T00:00:00Z" }, file);
  return file;
}

const OWNER = { id: "o", owner: true };

/** Two chats by turns, a task of the first, unreadable bytes, a dead letter, an old way of writing JSON. */
function sampleLog(): StoredMessage[] {
  const messages: StoredMessage[] = [];
  const next = (): number => messages.length + 1;
  const turn = (chat: string, trigger: string, channel = "web") => ({
    turn: mint("turn", trigger, 1),
    key: { channel, chatToken: mint("chat", channel, chat), turn: mint("turn", trigger, 1) },
  });
  const say = (chat: string, message: string): void => {
    const data = { channel: "web", chat, message, from: OWNER, text: `text of ${message}` };
    messages.push(storedEvent("MessageReceived", next(), lanes.message("web", chat, message).subject, data));
  };
  const ask = (chat: string, trigger: string, historyFrom: number, channel = "web", replyChat = chat): void => {
    const { turn: id, key } = turn(chat, trigger, channel);
    const data = {
      channel,
      chat,
      turn: id,
      attempt: 1,
      group: "main",
      trigger: {
        type: "MessageReceived",
        id: trigger,
        seq: 1,
      },
      messages: [],
      historyFrom,
      replyTo: { channel: "web", chat: replyChat },
    };
    messages.push(storedEvent("TurnRequested", next(), lanes.turnRequest(key).subject, data));
  };
  const fail = (chat: string, trigger: string, channel = "web"): void => {
    const { turn: id, key } = turn(chat, trigger, channel);
    const data = {
      channel,
      chat,
      turn: id,
      epoch: 1,
      reply: "r",
      replyTo: { channel: "web", chat },
      code: "X",
      text: "no",
      answers: [],
    };
    messages.push(storedEvent("TurnFailed", next(), lanes.end(key, channel).subject, data));
  };
  for (const number of [1, 2, 3]) {
    for (const chat of ["a", "b@c"]) {
      const id = `${chat.slice(0, 1)}${number}`;
      say(chat, id);
      ask(chat, id, next() - 1);
      fail(chat, id);
    }
  }
  const by = { id: "o", channel: "web" };
  const due = "2026-01-02T00:00:00Z";
  const replyTo = { channel: "web", chat: "a" };
  const command = storedEvent("ScheduleTask", next(), lanes.command("web", "k1").subject, {
    command: "k1",
    by,
    group: "main",
    due,
    replyTo,
    text: "later",
  });
  messages.push(command);
  const task = { group: "main", task: "t1", due, replyTo, text: "later" };
  messages.push(storedEvent("TaskScheduled", next(), lanes.task("main", "t1").subject, { ...task, by }));
  messages.push(storedEvent("TaskFired", next(), lanes.task("main", "t1").subject, { ...task, lateMs: 0 }));
  ask("t1", "fired", next() - 1, "sys", "a");
  fail("t1", "fired", "sys");
  const broken = lanes.message("web", "a", "broken").subject;
  messages.push({
    seq: next(),
    subject: broken,
    storedAtMs: 5,
    headers: { twice: ["a", "b"] },
    payload: Buffer.from([0, 255, 10]),
  });
  const dead = { process: "router", seq: next() - 1, subject: broken, code: "BUS_EVENT_UNREADABLE", message: "no" };
  messages.push(storedEvent("DeadLettered", next(), lanes.deadLetter("router", next() - 1).subject, dead));
  const spaced = storedEvent("MessageReceived", next(), lanes.message("web", "b@c", "spaced").subject, {
    channel: "web",
    chat: "b@c",
    message: "spaced",
    from: OWNER,
    text: "x",
  });
  messages.push({
    ...spaced,
    payload: Buffer.from(JSON.stringify(JSON.parse(Buffer.from(spaced.payload).toString()), null, 1)),
  });
  return messages;
}

const decoded = (messages: readonly StoredMessage[]): LogEntry[] => messages.map((one) => decodeEvent(rawMessage(one)));

void describe("a bundle", () => {
  const log = sampleLog();
  const source = memorySource(log);

  void it("comes out of an import byte by byte as it went in, and goes into a next one the same", async () => {
    const file = await exported(source);
    const home = path();
    const manifest = importBundle(file, home);
    assert.equal(manifest.counts.unreadable, 1);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.match(readFileSync(join(home, "taffrail.yaml"), "utf8"), /queueMode: queue/);
    const imported = openImported(home);
    const stored = await imported.raw.fetchRaw({ filter: "log.>", fromSeq: 1, limit: 1_000 });
    const plain = (list: readonly StoredMessage[]): unknown[] =>
      list.map((one) => ({ ...one, payload: Buffer.from(one.payload).toString("hex") }));
    assert.deepEqual(plain(stored), plain(log));
    const again = await exported(imported);
    assert.equal(readFileSync(again, "utf8"), readFileSync(file, "utf8"));
    imported.close();
  });

  void it("reads an import by any filter, from any place, as the log it came from", async () => {
    const home = path();
    importBundle(await exported(source), home);
    const imported = openImported(home);
    const entries = decoded(log);
    const wanted = [
      "log.>",
      filters.inbound,
      filters.turns,
      filters.wakes,
      filters.outs,
      filters.tasks,
      filters.dead,
      "log.cmd.*.k1",
      filters.chatInbound("web", "b@c"),
      "log.task.main.t1",
      `log.turn.*.*.${mint("turn", "a2", 1)}.>`,
      "log.none.>",
      `log.turn.web.${mint("chat", "web", "a")}.*.run.out.>`,
      "log.*.web.>",
      "log.turn.web.*.*.wake",
      "log.in.web.a.a1.0",
    ];
    for (const filter of wanted) {
      for (const fromSeq of [1, 7, 23, 99]) {
        const expected = entries.filter(({ seq, subject }) => seq >= fromSeq && matchesFilter(filter, subject));
        const label = `${filter} from ${fromSeq}`;
        assert.deepEqual(await imported.log.fetch({ filter, fromSeq, limit: 1_000 }), expected, label);
        assert.deepEqual(await imported.log.fetch({ filter, fromSeq, limit: 2 }), expected.slice(0, 2), label);
        const abort = new AbortController();
        const read: LogEntry[] = [];
        for await (const batch of imported.log.read({
          filters: [filter],
          fromSeq,
          maxBuffered: 3,
          signal: abort.signal,
        })) {
          read.push(...batch.events);
          if (batch.pending === 0) abort.abort();
        }
        assert.deepEqual(read, expected, label);
      }
    }
    assert.deepEqual(await imported.log.get(5), entries[4]);
    assert.equal(await imported.log.get(999), undefined);
    assert.equal(imported.mint("chat", "web", "b@c"), mint("chat", "web", "b@c"));
    assert.equal(imported.mint("turn", "a1", 1), mint("turn", "a1", 1));
    assert.throws(
      () => imported.mint("chat", "web", "nobody"),
      (error) => hasCode(error, "NOT_FOUND"),
    );
    imported.close();
  });

  void it("of a chat holds its messages, turns, tasks with theirs, commands and dead letters, and nothing of others", async () => {
    const home = path();
    importBundle(await exported(source, { type: "chat", channel: "web", chat: "a" }), home);
    const imported = openImported(home);
    const seqs = (await imported.log.fetch({ filter: "log.>", fromSeq: 1, limit: 1_000 })).map(({ seq }) => seq);
    const other = new Set(["b@c"]);
    const expected = decoded(log).filter(
      (entry) => entry.type === "unreadable" || !("chat" in entry.data && other.has(entry.data.chat ?? "")),
    );
    assert.deepEqual(
      seqs,
      expected.map(({ seq }) => seq),
    );
    assert.ok(!JSON.stringify(imported.manifest.tokens).includes("b@c"));
    imported.close();
  });

  void it("of a turn holds its conversation from where the model saw it, up to its end", async () => {
    const home = path();
    importBundle(await exported(source, { type: "turn", turn: mint("turn", "a2", 1) }), home);
    const imported = openImported(home);
    const entries = await imported.log.fetch({ filter: "log.>", fromSeq: 1, limit: 1_000 });
    assert.deepEqual(
      entries.map(({ type }) => type),
      ["MessageReceived", "TurnRequested", "TurnFailed"],
    );
    const task = path();
    importBundle(await exported(source, { type: "turn", turn: mint("turn", "fired", 1) }), task);
    const ofTask = openImported(task);
    const types = (await ofTask.log.fetch({ filter: "log.>", fromSeq: 1, limit: 1_000 })).map(({ type }) => type);
    assert.deepEqual(types, ["TaskScheduled", "TaskFired", "TurnRequested", "TurnFailed"]);
    imported.close();
    ofTask.close();
  });

  void it("is not written over a file, for a chat nobody had, or for a turn that is not there", async () => {
    const file = await exported(source);
    const options = { scope: { type: "all" as const }, settings: SETTINGS, exportedAt: "2026-01-01T00:00:00Z" };
    await assert.rejects(exportToFile(source, options, file), (error) => hasCode(error, "BUNDLE_FILE_EXISTS"));
    const before = readdirSync(folder).toSorted();
    await assert.rejects(exported(source, { type: "chat", channel: "web", chat: "x" }), (error) =>
      hasCode(error, "NOT_FOUND"),
    );
    await assert.rejects(exported(source, { type: "turn", turn: "x" }), (error) => hasCode(error, "TURN_UNKNOWN"));
    assert.deepEqual(readdirSync(folder).toSorted(), before, "nothing is left");
  });
});

/** The bundle with its trailer made anew: what an attacker can do, and a person with an editor cannot by accident. */
function sealed(lines: readonly string[]): string {
  const body = lines.map((line) => `${line}\n`).join("");
  const sha256 = createHash("sha256").update(body).digest("hex");
  return `${body}${JSON.stringify({ end: "taffrail-bundle", events: lines.length - 1, sha256 })}\n`;
}

void describe("a bundle that is not as it was written", () => {
  async function lines(): Promise<string[]> {
    return readFileSync(await exported(memorySource(sampleLog())), "utf8")
      .trimEnd()
      .split("\n");
  }

  function refused(text: string | Buffer, code: ErrorCode, words: RegExp): void {
    const [file, home] = [path(), path()];
    writeFileSync(file, text);
    const before = readdirSync(folder).length;
    assert.throws(
      () => importBundle(file, home),
      (error) => {
        assert.ok(hasCode(error, code), String(error));
        assert.match(error.message, words);
        return true;
      },
    );
    assert.ok(!existsSync(home));
    assert.equal(readdirSync(folder).length, before, "nothing is left beside it");
  }

  void it("is refused when it is cut, at every place", async () => {
    const text = (await lines()).join("\n") + "\n";
    for (let length = 30; length < text.length; length += 997)
      refused(text.slice(0, length), "BUNDLE_CUT", /ends (within|behind)/);
    refused(text.slice(0, -1), "BUNDLE_CUT", /ends within line/);
    const all = await lines();
    refused(`${all.slice(0, -1).join("\n")}\n`, "BUNDLE_CUT", /ends behind event 26 of 26/);
  });

  void it("is refused when it is another file", () => {
    refused("", "BUNDLE_FOREIGN", /is empty/);
    refused("hello\n", "BUNDLE_FOREIGN", /no bundle/);
    refused('{"format":"other","version":1}\n', "BUNDLE_FOREIGN", /no bundle/);
    refused(Buffer.from([0x1f, 0x8b, 8, 0, 10, 1, 2]), "BUNDLE_FOREIGN", /no bundle/);
    refused("null\n", "BUNDLE_FOREIGN", /no bundle/);
    assert.throws(
      () => importBundle(folder, path()),
      (error) => hasCode(error, "NOT_FOUND"),
    );
    assert.throws(
      () => importBundle(join(folder, "none"), path()),
      (error) => hasCode(error, "NOT_FOUND"),
    );
  });

  void it("is refused when events were reordered, doubled, taken out, put in or changed", async () => {
    const all = await lines();
    const [a = "", b = ""] = [all[2], all[3]];
    const unsealed = (changed: readonly string[]): string => `${changed.join("\n")}\n`;
    refused(unsealed(all.toSpliced(2, 2, b, a)), "BUNDLE_DAMAGED", /line 4 is out of order/);
    refused(unsealed(all.toSpliced(2, 0, a)), "BUNDLE_DAMAGED", /out of order/);
    refused(unsealed(all.toSpliced(2, 1)), "BUNDLE_DAMAGED", /25 events/);
    refused(unsealed(all.map((line) => line.replace("text of a2", "text of aX"))), "BUNDLE_DAMAGED", /SHA-256/);
    refused(unsealed([...all, a]), "BUNDLE_DAMAGED", /behind its end/);
    refused(unsealed(all.toSpliced(5, 1, "{}")), "BUNDLE_DAMAGED", /line 6 is no event: its sequence/);
    refused(unsealed(all.toSpliced(5, 1, "no json")), "BUNDLE_DAMAGED", /line 6 is no event: it is no JSON/);
  });

  void it("is refused when it was changed by somebody who sealed it again", async () => {
    const all = (await lines()).slice(0, -1);
    const changed = (from: string | RegExp, to: string): string => sealed(all.map((line) => line.replace(from, to)));
    assert.ok(importBundle(write(sealed(all)), path()), "control: sealed without a change it is taken");
    refused(
      changed('"text":"text of a2"', '"text":5'),
      "BUNDLE_DAMAGED",
      /line 8 \(sequence 7\): \/text must be string/,
    );
    refused(changed('"message":"a2"', '"message":"a9"'), "BUNDLE_DAMAGED", /names another message/);
    refused(
      changed('"subject":"log.in.web.a.a2.0"', '"subject":"log.in.web.a.a2 .0"'),
      "BUNDLE_DAMAGED",
      /its subject/,
    );
    refused(changed(/,"unreadable":"(?:[^"\\]|\\.)*"/, ""), "BUNDLE_DAMAGED", /unknown event type/);
    refused(changed('"tokens":[["chat","web","a","', '"tokens":[["chat","web","a","../'), "BUNDLE_DAMAGED", /tokens/);
    refused(changed('"version":1,"exportedAt"', '"version":2,"exportedAt"'), "BUNDLE_NEWER", /form 2; this is release/);
    refused(changed('"schemas":{', '"schemas":{"Danced:1":{},'), "BUNDLE_NEWER", /does not know Danced:1/);
    refused(
      changed('"ce-dataschema":"taffrail:TaskFired:1"', '"ce-dataschema":"taffrail:TaskFired:9"'),
      "BUNDLE_NEWER",
      /TaskFired:9/,
    );
    refused(
      changed(/"maxLength":256/, '"maxLength":9'),
      "BUNDLE_SCHEMA_DIFFERS",
      /another schema of MessageReceived:1/,
    );
    refused(changed('"lastSeq":26', '"lastSeq":20'), "BUNDLE_DAMAGED", /behind the end of its log/);
    refused(changed('"media":[]', '"media":["x"]'), "BUNDLE_DAMAGED", /media/);
    refused(`${all[0]}\n${"x".repeat(5 * 1024 * 1024)}`, "BUNDLE_TOO_LARGE", /line 2 has more than 4 MiB/);
    const words = sealed(
      all.map((line) => line.replace('"description":"A person\'s message arrived', '"description":"A message came')),
    );
    assert.ok(importBundle(write(words), path()), "words for people may differ");
  });

  function write(text: string): string {
    const file = path();
    writeFileSync(file, text);
    return file;
  }

  void it("does not get into a folder that holds anything, and is noticed when it is changed after its import", async () => {
    const file = await exported(memorySource(sampleLog()));
    const full = path();
    mkdirSync(full);
    writeFileSync(join(full, "mine"), "");
    assert.throws(
      () => importBundle(file, full),
      (error) => hasCode(error, "HOME_NOT_EMPTY"),
    );
    assert.deepEqual(readdirSync(full), ["mine"]);
    const empty = path();
    mkdirSync(empty);
    importBundle(file, empty);
    const bundle = join(empty, "imported", "bundle.jsonl");
    writeFileSync(bundle, readFileSync(bundle, "utf8").replace("text of a2", "text of"));
    assert.throws(
      () => openImported(empty),
      (error) => hasCode(error, "BUNDLE_DAMAGED"),
    );
  });
});
