/**
 * One seeded run of the whole system in one thread and virtual time: router, runners, scheduler, projection on the
 * in-memory log, people who write, and a fate that kills, freezes, restarts and loses. Same seed, same log.
 */
import { createHash } from "node:crypto";
import { pino } from "pino";
import { describeError } from "../../bus/errors.ts";
import { tokenMint } from "../../bus/ids.ts";
import type { Log } from "../../bus/log.ts";
import { createMemoryLive } from "../../bus/memory-live.ts";
import { createMemoryLog } from "../../bus/memory-log.ts";
import type { RunningApp } from "../../bus/runtime.ts";
import { LOG_ROOT } from "../../bus/subjects.ts";
import { startAgentRunner } from "../../services/agent-runner/app.ts";
import { startRouter } from "../../services/router/app.ts";
import { startScheduler } from "../../services/scheduler/app.ts";
import { projectBatch, startUiProjection } from "../../services/ui-projection/app.ts";
import type { Ports } from "../../bus/runtime.ts";
import type { ReadModel } from "../../services/ui-projection/database.ts";
import type { Tool } from "../../services/agent-runner/tools/tool.ts";
import { replay, type ReplaySettings } from "../../ops/replay/replay.ts";
import { readerOf } from "../support/entries-reader.ts";
import { createSeededRandom, createVirtualClock, type SeededRandom } from "../support/virtual-clock.ts";
import { TOOL_SPECS, TURN_SETTINGS, VERSIONS } from "./settings.ts";
import { learn, newFacts, openMatters, type Facts } from "./facts.ts";
import { createGate, type Gate } from "./gate.ts";
import { violations } from "./invariants.ts";
import { startUser } from "./users.ts";
import {
  createWorld,
  diskDigest,
  diskSnapshots,
  fakeModel,
  fakeTools,
  memoryReadModel,
  newReadModelDisk,
  wakeOn,
} from "./world.ts";

/** Key under which every simulated home mints its tokens. */
export const INSTALL_KEY = new Uint8Array(32).fill(7);
const START_MS = Date.UTC(2026, 0, 1);
/** A system in which nothing happens for this long and something is owed is stuck: above any wait it may rightly make. */
const STUCK_MS = 100_000;
/** I9: even a long queue of slow turns is through by then. */
const SETTLE_LIMIT_MS = 30 * 60_000;
/** After the last outcome: late doubles must have come by then. */
const AFTERMATH_MS = 8_000;

/** Ways to break the system that the invariants must notice: each wraps what a process is given. */
export interface Sabotage {
  log?(log: Log, process: string): Log;
  tools?(tools: Tool[], random: SeededRandom): Tool[];
  readModel?(model: ReadModel): ReadModel;
}

export interface SimulationOptions {
  readonly sabotage?: Sabotage | undefined;
  /** Writes what happens to stdout. */
  readonly talk?: boolean;
  /** How many things each person does, for a longer log; drawn from the seed when absent. */
  readonly actions?: number | undefined;
}

export interface SimulationResult {
  readonly seed: number;
  readonly violations: string[];
  /** Over every byte of the log. */
  readonly hash: string;
  readonly facts: Facts;
  readonly deaths: number;
  readonly virtualMs: number;
  /** What its processes decided with, as a replay takes it. */
  readonly decidedWith: ReplaySettings;
}

interface Slot {
  readonly name: string;
  start(ports: Ports, gate: Gate): Promise<RunningApp>;
  gate?: Gate;
  incarnation: number;
}

export async function simulate(seed: number, options: SimulationOptions = {}): Promise<SimulationResult> {
  const random = createSeededRandom(seed);
  const shape = random.fork("shape");
  const fate = random.fork("fate");
  const clock = createVirtualClock(START_MS);
  const log = createMemoryLog({ clock, random: random.fork("log") });
  const live = createMemoryLive({ clock, random: random.fork("live") });
  const world = createWorld();
  const facts = newFacts();
  const found: string[] = [];
  const sabotage = options.sabotage ?? {};
  const silent = pino({ level: "silent" });
  const say = (what: string): void => {
    if (options.talk) process.stdout.write(`${new Date(clock.nowMs()).toISOString().slice(14, 23)} ${what}\n`);
  };
  let deaths = 0;
  const weather = { storming: true };

  log.faults.skewServerClock(shape.pick([0, 0, -2_000, 3_000]));
  world.failureRate = shape.pick([0, 0.15, 0.4]);
  world.slowRate = shape.pick([0.1, 0.5]);

  // --- processes -----------------------------------------------------------------------------------------------------
  const mint = tokenMint(INSTALL_KEY);
  const maxTurns = shape.pick([1, 2, 8]);
  const readModelDisk = newReadModelDisk();
  const queueMode = shape.pick(["queue", "steer", "interrupt"] as const);
  const router = (name: string): Slot => {
    const disk = {};
    return {
      name,
      incarnation: 0,
      start: (ports, gate) =>
        startRouter(ports, { settings: { queueMode }, mint, snapshots: diskSnapshots(disk, gate) }),
    };
  };
  const runner = (name: string): Slot => ({
    name,
    incarnation: 0,
    start(ports, gate) {
      const own = random.fork(`${name} ${deaths} model`);
      const tools = fakeTools(world, own, gate);
      return startAgentRunner(ports, {
        name,
        model: fakeModel(world, own, gate, `${name} ${deaths}`),
        tools: sabotage.tools?.(tools, own) ?? tools,
        settings: TURN_SETTINGS,
        maxTurns,
      });
    },
  });
  const scheduler = (name: string): Slot => {
    const disk = {};
    return {
      name,
      incarnation: 0,
      start: (ports, gate) =>
        startScheduler(ports, { snapshots: diskSnapshots(disk, gate), wakeAt: wakeOn(gate.clock) }),
    };
  };
  const routers = shape.pick([1, 1, 2]);
  const slots: Slot[] = [
    ...Array.from({ length: routers }, (_, index) => router(`router-${index}`)),
    ...Array.from({ length: shape.pick([1, 2, 3]) }, (_, index) => runner(`agent-runner-${index}`)),
    ...Array.from({ length: shape.pick([1, 1, 2]) }, (_, index) => scheduler(`scheduler-${index}`)),
    {
      name: "ui-projection",
      incarnation: 0,
      start(ports, gate) {
        // Sometimes it is started on an older checkpoint: delivered twice must be harmless.
        if (weather.storming && fate.chance(0.3)) readModelDisk.checkpoints.splice(fate.below(20) + 1);
        const model = memoryReadModel(readModelDisk, () => gate.touch());
        const given = sabotage.readModel?.(model) ?? model;
        return startUiProjection(ports, { file: "", open: () => Promise.resolve(given) });
      },
    },
  ];

  function start(slot: Slot): void {
    const gate = createGate({ log, live, clock, onKilled: () => restart(slot, "was killed") });
    slot.gate = gate;
    slot.incarnation++;
    say(`${slot.name} starts (${slot.incarnation})`);
    const { log: own, live: ownLive, clock: ownClock } = gate;
    const ports: Ports = {
      log: sabotage.log?.(own, slot.name) ?? own,
      live: ownLive,
      clock: ownClock,
      random: random.fork(`${slot.name} ${slot.incarnation}`),
      logger: silent,
    };
    // As the frame does: a process that cannot start or says that it is broken ends.
    const broken = (error: unknown): void => {
      if (gate.dead) return;
      say(`${slot.name} fails: ${describeError(error)}`);
      const known = error instanceof Error && error.name === "TaffrailError";
      if (!known)
        found.push(`${slot.name} failed at ${clock.nowMs() - START_MS} ms: ${String((error as Error).stack)}`);
      gate.kill();
    };
    slot.start(ports, gate).then((app) => app.failed.catch(broken), broken);
  }

  function restart(slot: Slot, why: string): void {
    deaths++;
    say(`${slot.name} ${why}`);
    void clock.sleep(fate.fraction() * (fate.chance(0.2) ? 3_000 : 300)).then(() => start(slot));
  }

  // --- fate ----------------------------------------------------------------------------------------------------------
  const rates = shape.chance(0.5)
    ? { lostAppend: 0.03, lostAppendAck: 0.03, lateAppend: 0.03, lostQueueAck: 0.1, returningAck: 0.5 }
    : { lostAppend: 0, lostAppendAck: 0, lateAppend: 0, lostQueueAck: 0, returningAck: 0.2 };
  const pauseMs = shape.pick([200, 800, 3_000]);

  async function brokerDies(): Promise<void> {
    say("the broker dies");
    live.faults.stop();
    log.faults.stop();
    await clock.sleep(20 + fate.fraction() * (fate.chance(0.2) ? 8_000 : 600));
    log.faults.start();
    live.faults.start();
    say("the broker is back");
  }
  async function freeze(slot: Slot): Promise<void> {
    const { gate } = slot;
    if (gate === undefined || gate.dead || gate.frozen) return;
    say(`${slot.name} freezes`);
    gate.freeze();
    await clock.sleep(fate.fraction() * (fate.chance(0.5) ? 6_000 : 1_200));
    say(`${slot.name} goes on`);
    gate.thaw();
  }
  async function storm(): Promise<void> {
    const calamities: Promise<void>[] = [];
    while (weather.storming) {
      await clock.sleep(fate.fraction() * 2 * pauseMs);
      if (!weather.storming) break;
      const slot = fate.pick(slots);
      const drawn = fate.fraction();
      if (drawn < 0.5) slot.gate?.killAfter(1 + fate.below(fate.chance(0.5) ? 8 : 60));
      else if (drawn < 0.7) calamities.push(freeze(slot));
      else if (drawn < 0.85) slot.gate?.deafen(fate.fraction() * (fate.chance(0.3) ? 4_000 : 400));
      else if (drawn < 0.95) calamities.push(brokerDies());
      else live.faults.setDropRate(fate.pick([0, 0.3, 1]));
    }
    await Promise.all(calamities);
  }

  /** Plays until nothing is owed and nothing happens any more; what is still owed when nothing moves is stuck. */
  async function settle(): Promise<void> {
    const calmAtMs = clock.nowMs();
    let movedAtMs = clock.nowMs();
    let lastSeq = -1;
    for (;;) {
      await clock.run(clock.nowMs() + 500);
      if (facts.lastSeq !== lastSeq) [lastSeq, movedAtMs] = [facts.lastSeq, clock.nowMs()];
      const open = openMatters(facts);
      const position = readModelDisk.checkpoints.at(-1)?.seq ?? 0;
      if (position < facts.lastSeq) open.push(`the projection stands at ${position} of ${facts.lastSeq}`);
      if (open.length === 0 && clock.nowMs() - movedAtMs > AFTERMATH_MS) return;
      if (clock.nowMs() - movedAtMs < STUCK_MS && clock.nowMs() - calmAtMs < SETTLE_LIMIT_MS) continue;
      found.push(...open.map((what) => `I9, I11: stuck: ${what}`));
      return;
    }
  }

  // --- the run -------------------------------------------------------------------------------------------------------
  const stop = new AbortController();
  async function watch(): Promise<void> {
    for await (const { events } of log.read({ filters: [LOG_ROOT], fromSeq: 1, signal: stop.signal }))
      for (const entry of events) learn(facts, entry);
  }
  const watching = watch();
  for (const slot of slots) start(slot);
  log.faults.setRates(rates);
  const users = Array.from({ length: shape.pick([1, 2, 3]) }, (_, index) =>
    startUser(`c${index}`, {
      log,
      clock,
      random: random.fork(`user ${index}`),
      facts,
      world,
      actions: ((drawn) => options.actions ?? drawn)(4 + shape.below(14)),
      meanPauseMs: shape.pick([300, 1_500, 4_000]),
    }),
  );
  const fates = storm();
  await clock.settle(Promise.all(users.map((user) => user.done)));
  await clock.run(clock.nowMs() + shape.fraction() * 5_000);
  weather.storming = false;
  await clock.settle(fates);
  log.faults.setRates({ lostAppend: 0, lostAppendAck: 0, lateAppend: 0, lostQueueAck: 0, returningAck: 0 });
  live.faults.setDropRate(0);
  for (const { gate } of slots) gate?.killAfter(Number.MAX_SAFE_INTEGER);
  say("the storm is over");

  await settle();
  // All may be at rest only because nobody asks any more: who comes now must find it working, also after the queue
  // handed settled work out again to runners that are idle.
  for (const lostQueueAck of [1, 0]) {
    log.faults.setRates({ lostQueueAck });
    await clock.settle(Promise.all(users.map((user) => user.sayMore())));
    await settle();
  }

  const subjects = new Set(facts.entries.map((entry) => entry.subject));
  for (const { confirmed } of users)
    for (const subject of confirmed) if (!subjects.has(subject)) found.push(`I1: ${subject} is not in the log`);
  found.push(...violations(facts, world, routers > 1 || rates.lateAppend > 0 ? "several" : "one"));
  for (const [name, { most }] of world.openModelCalls)
    if (most > maxTurns) found.push(`I10: ${name} had ${most} model calls open, ${maxTurns} turns are allowed`);
  found.push(...(await rebuildDiffers(facts, readModelDisk, log, clock, random.fork("rebuild"))));
  const decidedWith: ReplaySettings = {
    router: { queueMode },
    runner: TURN_SETTINGS,
    tools: TOOL_SPECS,
    versions: VERSIONS,
  };
  found.push(...(await replayDiffers(facts, decidedWith, clock.nowMs())));

  stop.abort();
  for (const { gate } of slots) if (gate !== undefined && !gate.dead) gate.kill();
  await clock.settle(watching);
  const hash = createHash("sha256");
  for (const entry of facts.entries) hash.update(JSON.stringify(entry));
  return {
    seed,
    violations: [...new Set(found)],
    hash: hash.digest("hex"),
    facts,
    deaths,
    virtualMs: clock.nowMs() - START_MS,
    decidedWith,
  };
}

/** The log replays: what was decided in the storm is decided again from what the log holds. */
async function replayDiffers(facts: Facts, settings: ReplaySettings, endMs: number): Promise<string[]> {
  async function* all(): AsyncGenerator<Facts["entries"]> {
    yield await Promise.resolve(facts.entries);
  }
  const report = await replay(all(), {
    settings,
    mint: tokenMint(INSTALL_KEY),
    log: readerOf(facts.entries),
    startSeq: 1,
    endMs,
  });
  return report.differences.map((difference) => `replay: ${JSON.stringify(difference).slice(0, 2_000)}`);
}

/** I5: the read model built again, in other batches, equals the live one. */
async function rebuildDiffers(
  facts: Facts,
  disk: ReturnType<typeof newReadModelDisk>,
  log: Log,
  clock: ReturnType<typeof createVirtualClock>,
  random: SeededRandom,
): Promise<string[]> {
  const { created } = await clock.settle(log.identity());
  const rebuilt = newReadModelDisk();
  const model = memoryReadModel(rebuilt, () => Promise.resolve());
  for (let from = 0; from < facts.entries.length;) {
    const count = 1 + random.below(40);
    await projectBatch(model, facts.entries.slice(from, from + count), created, () => Promise.resolve());
    from += count;
  }
  if (diskDigest(rebuilt) === diskDigest(disk)) return [];
  const keys = new Set([...rebuilt.rows.keys(), ...disk.rows.keys()]);
  const different = [...keys].filter((key) => rebuilt.rows.get(key) !== disk.rows.get(key));
  const detail = different
    .slice(0, 2)
    .map((key) => `\n    live    ${disk.rows.get(key)}\n    rebuilt ${rebuilt.rows.get(key)}`)
    .join("");
  return [
    `I5: the read model built again differs in ${different.length} rows: ${different.slice(0, 5).join(" ")}${detail}`,
  ];
}
