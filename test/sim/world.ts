/**
 * The outside of the simulated system: a model provider with moods, tools with effects that can be counted, and the disks
 * that outlive a process.
 */
import { createHash } from "node:crypto";
import { checkpointAt, checkpointFits, type Checkpoint } from "../../bus/checkpoint.ts";
import type { Clock } from "../../bus/ports.ts";
import type { SnapshotStore } from "../../bus/snapshot.ts";
import {
  cancelled,
  ModelError,
  type Model,
  type ModelErrorCode,
  type ModelResult,
} from "../../services/agent-runner/model/port.ts";
import type { Tool } from "../../services/agent-runner/tools/tool.ts";
import type { ReadModel } from "../../services/ui-projection/database.ts";
import type { Row } from "../../services/ui-projection/project.ts";
import { TOOL_SPECS, TOOLS } from "./settings.ts";
import type { SeededRandom } from "../support/virtual-clock.ts";
import type { Gate } from "./gate.ts";

/** Every way a provider fails, with and without a wait that parks the turn. */
const FAILURES: readonly ModelErrorCode[] = [
  "MODEL_UNREACHABLE",
  "MODEL_AUTH",
  "MODEL_RATE_LIMITED",
  "MODEL_RATE_LIMITED",
  "MODEL_RATE_LIMITED",
  "MODEL_SERVER_ERROR",
  "MODEL_BAD_REQUEST",
  "MODEL_BAD_RESPONSE",
  "MODEL_BROKEN_OFF",
  "MODEL_TIMEOUT",
  "MODEL_UNKNOWN",
  "MODEL_WORKER_LOST",
];

/** What happened outside, for the invariants. */
export interface World {
  /** Effects by mark; a mark is the model's own and stands in one tool call. */
  readonly effects: Map<string, { name: string; times: number; keys: Set<string> }>;
  readonly notes: Set<string>;
  /** Most model calls open at once, by process. */
  readonly openModelCalls: Map<string, { now: number; most: number }>;
  /** Probability that a model call fails. */
  failureRate: number;
  /** Probability that a stream is slow. */
  slowRate: number;
  marks: number;
  /** Called, once each, when a model is about to say its last word: the moment that is hardest to get right. */
  lastWord: (() => void)[];
}

export function createWorld(): World {
  const rates = { failureRate: 0, slowRate: 0 };
  return { ...rates, effects: new Map(), notes: new Set(), openModelCalls: new Map(), marks: 0, lastWord: [] };
}

/** A model as seen from one process. Its answer names every message it was shown: `#<message id>`. */
export function fakeModel(world: World, random: SeededRandom, gate: Gate, process: string): Model {
  return {
    async run(request, stream) {
      const { signal } = stream;
      const open = world.openModelCalls.get(process) ?? { now: 0, most: 0 };
      world.openModelCalls.set(process, open);
      open.now++;
      open.most = Math.max(open.most, open.now);
      try {
        return await answer();
      } finally {
        open.now--;
      }

      async function answer(): Promise<ModelResult> {
        const lastUser = request.messages.findLastIndex((message) => message.role === "user");
        const asked = request.messages[lastUser]?.text ?? "";
        const wanted = Number(/tools=(\d)/.exec(asked)?.[1] ?? 0);
        const done = request.messages.slice(lastUser + 1).filter((message) => message.role === "assistant").length;
        const calling = done < wanted && random.chance(0.9);
        const seen = request.messages
          .filter((message) => message.role === "user")
          .map((message) => /#[\w-]+/.exec(message.text)?.[0] ?? "")
          .join(" ");
        const text = calling && random.chance(0.5) ? "" : `I saw ${seen}`;
        const slowMs = random.chance(world.slowRate) ? 600 : 15;
        const breaks = random.chance(world.failureRate) ? random.fraction() : undefined;
        const words = text === "" ? [] : text.split(/(?<= )/);
        await pause(random.fraction() * slowMs);
        for (const [index, word] of words.entries()) {
          if (breaks !== undefined && index / words.length > breaks) break;
          stream.onText(word);
          if (index === words.length - 1) for (const listener of world.lastWord.splice(0)) listener();
          await pause(random.fraction() * slowMs);
        }
        if (breaks !== undefined) throw failure();
        const count = calling ? 1 + random.below(3) : 0;
        return {
          text,
          toolCalls: Array.from({ length: count }, (_, index) => ({
            callId: `call-${index}`,
            name: random.chance(0.03) ? "ghost" : random.pick(TOOLS).name,
            arguments: { mark: `k${world.marks++}` },
          })),
          finishReason: calling ? "tool-calls" : "stop",
          usage: { inputTokens: 1, outputTokens: words.length, cachedInputTokens: 0, reasoningTokens: 0 },
          rawUsage: { said: words.length },
        };
      }
      async function pause(ms: number): Promise<void> {
        await gate.clock.sleep(ms, signal);
        if (signal.aborted) throw cancelled();
      }
      function failure(): Error {
        if (random.chance(0.05)) return new Error("the thread is gone");
        const code = random.pick(FAILURES);
        // Some ask for a wait that is too long to sit out: the turn parks.
        const retryAfterMs = code === "MODEL_RATE_LIMITED" ? random.pick([0, 800, 6_000, 15_000]) : undefined;
        return new ModelError(code, "it failed", retryAfterMs === undefined ? {} : { retryAfterMs });
      }
    },
  };
}

/** Tools of each effect, slow now and then; what they do outside is counted by the call's mark. */
export function fakeTools(world: World, random: SeededRandom, gate: Gate): Tool[] {
  return TOOL_SPECS.map(({ spec, effect }) => ({
    spec,
    effect,
    async run(args, { callKey, signal }) {
      const { name } = spec;
      const mark = String(args["mark"]);
      await gate.clock.sleep(random.chance(0.3) ? random.fraction() * 2_000 : random.fraction() * 20, signal);
      if (signal.aborted) throw new Error("stopped");
      await gate.touch();
      const done = world.effects.get(mark) ?? { name, times: 0, keys: new Set<string>() };
      world.effects.set(mark, done);
      done.keys.add(callKey);
      if (effect !== "idempotent" || !world.notes.has(callKey)) done.times++;
      world.notes.add(callKey);
      await gate.touch();
      await gate.clock.sleep(random.fraction() * (random.chance(0.3) ? 1_000 : 20), signal);
      if (random.chance(0.1)) throw new Error("it did not work");
      return `${name} done`;
    },
  }));
}

/** A snapshot file: written whole or not at all. */
export function diskSnapshots<State>(disk: { text?: string }, gate: Gate): SnapshotStore<State> {
  interface Stored {
    checkpoint: Checkpoint;
    state: State;
  }
  return {
    async load(log) {
      if (disk.text === undefined) return undefined;
      const { checkpoint, state } = JSON.parse(disk.text) as Stored;
      const fits = await checkpointFits(log, checkpoint).catch(() => false);
      return fits ? { seq: checkpoint.seq, state } : undefined;
    },
    async save(log, seq, state) {
      const checkpoint = await checkpointAt(log, seq);
      const text = JSON.stringify({ checkpoint, state } satisfies Stored);
      await gate.touch();
      disk.text = text;
      await gate.touch();
    },
  };
}

/** The rows of a read model, as they survive the death of its process. */
export interface ReadModelDisk {
  readonly rows: Map<string, string>;
  readonly events: Map<number, string>;
  checkpoints: Checkpoint[];
}

export function newReadModelDisk(): ReadModelDisk {
  return { rows: new Map(), events: new Map(), checkpoints: [] };
}

/** A read model in memory; a commit is one step that a process dies before or after. */
export function memoryReadModel(disk: ReadModelDisk, touch: () => Promise<void>): ReadModel {
  return {
    async checkpoint() {
      await touch();
      return disk.checkpoints.at(-1);
    },
    async rows(keys) {
      await touch();
      const found = keys.flatMap((key) => {
        const json = disk.rows.get(key);
        return json === undefined ? [] : [[key, JSON.parse(json) as Row] as const];
      });
      return new Map(found);
    },
    async commit(rows, events, checkpoint) {
      await touch();
      for (const row of rows) disk.rows.set(row.key, JSON.stringify(row));
      for (const event of events) disk.events.set(event.row.seq, JSON.stringify(event));
      // A few are kept, so that a process can be started on an older one: delivered twice must be harmless.
      disk.checkpoints = [...disk.checkpoints, checkpoint].slice(-20);
      await touch();
    },
    query: () => Promise.reject(new Error("the simulation asks no SQL")),
    digest: () => Promise.resolve(diskDigest(disk)),
    close: () => Promise.resolve(),
  };
}

export function diskDigest(disk: ReadModelDisk): string {
  const hash = createHash("sha256");
  for (const [key, json] of [...disk.rows].toSorted(([a], [b]) => (a < b ? -1 : 1))) hash.update(`${key}\n${json}\n`);
  for (const [seq, json] of [...disk.events].toSorted(([a], [b]) => a - b)) hash.update(`${seq}\n${json}\n`);
  return hash.digest("hex");
}

/** Wakes of the scheduler on virtual time. */
export function wakeOn(clock: Clock): (atMs: number, wake: () => void) => () => void {
  return (atMs, wake) => {
    const stop = new AbortController();
    void clock.sleep(Math.max(0, atMs - clock.nowMs()), stop.signal).then(() => {
      if (!stop.signal.aborted) wake();
    });
    return () => stop.abort();
  };
}
