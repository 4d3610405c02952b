/** One turn on the in-memory log in virtual time: what its runner must not miss, whoever else writes meanwhile. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { pino } from "pino";
import type { LogEntry, NewEvent, StoredEvent } from "../../bus/event.ts";
import { createMemoryLive } from "../../bus/memory-live.ts";
import { createMemoryLog, type MemoryLog } from "../../bus/memory-log.ts";
import { filters, lanes, parseSubject, type Lane, type TurnKey } from "../../bus/subjects.ts";
import { cancelAsked, claimed, received, requested, steered } from "../../test/support/stored-events.ts";
import { createSeededRandom, createVirtualClock, type VirtualClock } from "../../test/support/virtual-clock.ts";
import { createHistory } from "./history.ts";
import type { Model, ModelRequest, ModelResult } from "./model/port.ts";
import type { Tool } from "./tools/tool.ts";
import { startTurn, type TurnParts, type TurnRun } from "./turn.ts";

interface Stage {
  readonly clock: VirtualClock;
  readonly log: MemoryLog;
  readonly key: TurnKey;
  readonly request: StoredEvent<"TurnRequested">;
  readonly parts: TurnParts;
  /** Runs of the tool. */
  readonly effects: string[];
  /** Requests the model got. */
  readonly asked: ModelRequest[];
  /** Appends what somebody else writes; returns it as stored. */
  write(lane: Lane, expected: number, event: NewEvent): Promise<StoredEvent>;
  steer(message: string): Promise<StoredEvent>;
  journal(): Promise<LogEntry[]>;
}

type Script = (asked: number, stage: Stage) => Promise<Partial<ModelResult>>;

/** A chat with one message and its open turn; the model answers by `script`. */
async function setUp(script: Script): Promise<Stage> {
  const clock = createVirtualClock(Date.UTC(2026, 0, 1));
  const random = createSeededRandom(1);
  const log = createMemoryLog({ clock, random });
  const opening = requested(2, "t", [["m1", 1]]);
  const place = parseSubject(opening.subject);
  assert.ok(place?.type === "turn");
  const { key } = place;
  const asked: ModelRequest[] = [];
  const effects: string[] = [];
  const tool: Tool = {
    spec: { name: "pay", description: "", parameters: {} },
    effect: "at-most-once",
    run(_args, { callKey }) {
      effects.push(callKey);
      return Promise.resolve("paid");
    },
  };
  const model: Model = {
    async run(request) {
      asked.push(request);
      const answer = await script(asked.length, stage);
      const usage = { inputTokens: 1, outputTokens: 1, cachedInputTokens: 0, reasoningTokens: 0 };
      return { text: "", toolCalls: [], finishReason: "stop", usage, rawUsage: {}, ...answer };
    },
  };
  async function write(lane: Lane, expected: number, event: NewEvent): Promise<StoredEvent> {
    const { seq } = await log.append(lane, expected, event);
    return { ...event, seq, subject: lane.subject, storedAtMs: clock.nowMs() } as unknown as StoredEvent;
  }
  async function journal(): Promise<LogEntry[]> {
    return log.fetch({ filter: filters.turn(key), fromSeq: 1, limit: 1_000 });
  }
  const stage: Stage = {
    clock,
    log,
    key,
    request: opening,
    effects,
    asked,
    write,
    journal,
    async steer(message) {
      const { seq } = await write(lanes.message("web", "c", message), 0, received(0, message));
      return write(lanes.signal(key), (await journal()).at(-1)?.seq ?? 0, steered(seq, "t", message, seq));
    },
    parts: {
      ports: { log, live: createMemoryLive({ clock, random }), clock, random, logger: pino({ level: "silent" }) },
      model,
      tools: new Map([["pay", tool]]),
      history: createHistory(log),
      runner: "runner/1",
      settings: {
        configuredModel: "demo",
        systemPrompt: "",
        maxOutputTokens: 10,
        limits: { maxSteps: 9, maxAttempts: 3 },
        versions: { code: "1", prompt: "1", tools: "1", policy: "1", config: "1" },
      },
    },
  };
  await clock.settle(write(lanes.message("web", "c", "m1"), 0, received(1, "m1")));
  await clock.settle(write(lanes.turnRequest(key), 0, opening));
  return stage;
}

function start({ parts, key, request }: Stage, fresh = true): TurnRun {
  return startTurn(parts, key, request, fresh);
}

async function endOf(stage: Stage): Promise<LogEntry> {
  const entries = await stage.clock.settle(stage.journal());
  const ends = entries.filter((entry) => /^Turn(Completed|Failed|Cancelled)$/.test(entry.type));
  assert.equal(ends.length, 1, "one end");
  assert.equal(ends[0], entries.at(-1), "the end is the last event");
  return ends[0]!;
}

function answersOf(end: LogEntry): string[] {
  assert.ok(end.type === "TurnCompleted" || end.type === "TurnCancelled");
  return end.data.answers;
}

const userTexts = (request: ModelRequest | undefined): string[] =>
  (request?.messages ?? []).filter(({ role }) => role === "user").map(({ text }) => text);
const PAY = { toolCalls: [{ callId: "x", name: "pay", arguments: {} }], finishReason: "tool-calls" as const };

void describe("a signal that the runner's reader has not brought yet", () => {
  void test("is answered when it came before the claim", async () => {
    const stage = await setUp(() => Promise.resolve({ text: "done" }));
    await stage.clock.settle(stage.steer("m2"));
    assert.equal(await stage.clock.settle(start(stage).done), "ended");
    assert.deepEqual(answersOf(await endOf(stage)), ["m1", "m2"]);
    assert.deepEqual(userTexts(stage.asked[0]), ["text of m1", "text of m2"]);
  });

  void test("is answered when it came during the only step", async () => {
    const stage = await setUp(async (asked, own) => {
      if (asked === 1) await own.steer("m2");
      return { text: `answer ${asked}` };
    });
    await stage.clock.settle(start(stage).done);
    assert.deepEqual(answersOf(await endOf(stage)), ["m1", "m2"]);
    assert.deepEqual(userTexts(stage.asked.at(-1)), ["text of m1", "text of m2"]);
  });

  void test("is answered when a step was appended behind it", async () => {
    const stage = await setUp(async (asked, own) => {
      if (asked === 1) await own.steer("m2");
      return asked === 1 ? PAY : { text: "done" };
    });
    await stage.clock.settle(start(stage).done);
    assert.deepEqual(answersOf(await endOf(stage)), ["m1", "m2"]);
    assert.deepEqual(userTexts(stage.asked.at(-1)), ["text of m1", "text of m2"]);
    assert.equal(stage.effects.length, 1);
  });
});

test("a signal that comes while the request is made is in a later request", async () => {
  const stage = await setUp((asked) => Promise.resolve({ text: `answer ${asked}` }));
  await stage.clock.settle(stage.steer("m2"));
  const { ports } = stage.parts;
  let told = false;
  const fetch: MemoryLog["fetch"] = async (options) => {
    // While the text of m2 is read for the request, the reader brings m3.
    if (options.filter === filters.messageRevisions("web", "c", "m2") && !told) {
      told = true;
      run.signal(await stage.steer("m3"));
    }
    return stage.log.fetch(options);
  };
  const parts = { ...stage.parts, ports: { ...ports, log: { ...ports.log, fetch } } };
  const run = startTurn(parts, stage.key, stage.request, true);
  await stage.clock.settle(run.done);
  assert.deepEqual(answersOf(await endOf(stage)), ["m1", "m2", "m3"]);
  assert.deepEqual(userTexts(stage.asked.at(-1)), ["text of m1", "text of m2", "text of m3"]);
});

test("a steered message is shown as it was edited before it was steered, even before it came", async () => {
  const stage = await setUp(() => Promise.resolve({ text: "done" }));
  const edit = { channel: "web", chat: "c", message: "m2", revision: "r1", from: { id: "u", owner: true } };
  await stage.clock.settle(
    stage.log.append(lanes.edit("web", "c", "m2", "r1"), 0, {
      ...received(9, "m2"),
      type: "MessageEdited",
      data: { ...edit, text: "m2 as meant" },
    }),
  );
  await stage.clock.settle(stage.steer("m2"));
  await stage.clock.settle(start(stage).done);
  assert.deepEqual(userTexts(stage.asked[0]), ["text of m1", "m2 as meant"]);
});

test("a runner that lost the turn ends nothing, even when a signal behind the other's claim was told to it", async () => {
  const stage = await setUp(async (asked, own) => {
    const { key } = own;
    if (asked > 1) return { text: "late" };
    const runSeq = (await own.journal()).at(-1)?.seq ?? 0;
    const taken = await own.write(lanes.claim(key), runSeq, claimed(0, "t", 2, "runner/2"));
    run.signal(await own.write(lanes.signal(key), taken.seq, cancelAsked(0, "t")));
    return { text: "too late" };
  });
  const run = start(stage);
  assert.equal(await stage.clock.settle(run.done), "lost");
  const entries = await stage.clock.settle(stage.journal());
  assert.deepEqual(
    entries.map((entry) => entry.type),
    ["TurnRequested", "TurnClaimed", "TurnClaimed", "CancelRequested"],
  );
});

test("a turn that ended and is handed out as if it were new is not run again by the runner that ran it", async () => {
  const stage = await setUp((asked) => Promise.resolve(asked === 1 ? PAY : { text: "done" }));
  await stage.clock.settle(start(stage).done);
  const before = await stage.clock.settle(stage.journal());
  assert.equal(await stage.clock.settle(start(stage).done), "ended");
  assert.deepEqual(await stage.clock.settle(stage.journal()), before);
  assert.deepEqual([stage.asked.length, stage.effects.length], [2, 1]);
});

test("an answer whose acknowledgement was lost is there once, and the runner goes on from what is stored", async () => {
  const stage = await setUp((asked, { log }) => {
    log.faults.loseNextAppendAck();
    return Promise.resolve(asked === 1 ? PAY : { text: "done" });
  });
  await stage.clock.settle(start(stage).done);
  const types = (await stage.clock.settle(stage.journal())).map((entry) => entry.type);
  assert.deepEqual(types, [
    "TurnRequested",
    "TurnClaimed",
    "ModelStepCompleted",
    "ToolCalled",
    "ToolCompleted",
    "TurnCompleted",
  ]);
  assert.equal(stage.effects.length, 1);
});

test("an at-most-once call of an earlier epoch is settled as interrupted, not run again", async () => {
  const stage = await setUp((asked) => Promise.resolve(asked === 1 ? PAY : { text: "done" }));
  // The first runner dies between the order and the effect.
  const dying = stage.log.attach();
  const { parts } = stage;
  const tools = new Map([["pay", { ...parts.tools.get("pay")!, run: () => new Promise<string>(() => dying.kill()) }]]);
  const first = startTurn({ ...parts, ports: { ...parts.ports, log: dying }, tools }, stage.key, stage.request, true);
  first.done.catch(() => undefined);
  await stage.clock.run(stage.clock.nowMs() + 1_000);
  const second = startTurn({ ...parts, runner: "runner/2" }, stage.key, stage.request, false);
  assert.equal(await stage.clock.settle(second.done), "ended");
  const settled = (await stage.clock.settle(stage.journal())).find((entry) => entry.type === "ToolCompleted");
  assert.equal(settled?.data.outcome, "interrupted");
  assert.equal(stage.effects.length, 0);
});
