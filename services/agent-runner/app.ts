/**
 * Agent-runner process; any number of them.
 * In: the `wake` queue, signals of turns, journals. Out: every event of a turn's `run` lanes, live tokens. Owns: the turns it
 * claimed, by epoch. Never: opens a turn, sends to a platform, works on a turn another runner took.
 */
import { setMaxListeners } from "node:events";
import { describeError } from "../../bus/errors.ts";
import type { StoredEvent } from "../../bus/event.ts";
import { WAKE_QUEUE, WAKE_WORKING_MS, type QueueDelivery } from "../../bus/log.ts";
import { deadLetter } from "../../bus/dead-letter.ts";
import { patientReads } from "../../bus/patient-reads.ts";
import type { Ports, RunningApp } from "../../bus/runtime.ts";
import { filters, liveSubjects, parseSubject, type TurnKey } from "../../bus/subjects.ts";
import { createHistory } from "./history.ts";
import { createLeases } from "./leases.ts";
import type { Model } from "./model/port.ts";
import type { Tool } from "./tools/tool.ts";
import { startTurn, type TurnOutcome, type TurnRun, type TurnSettings } from "./turn.ts";

const SOURCE = "agent-runner";
/** Signals kept of turns not yet known here: the queue delivers a wake within milliseconds. */
const MAX_EARLY_SIGNALS = 1_000;
/** Unsettled wakes looked through when a runner is gone. */
const MAX_OPEN_WAKES = 1_000;

export interface AgentRunnerOptions {
  /** Name of this process, for example `agent-runner-1`. */
  readonly name: string;
  readonly model: Model;
  readonly tools: readonly Tool[];
  readonly settings: TurnSettings;
  /** Turns at once: bounds memory and open model connections. */
  readonly maxTurns: number;
  /** Calls the listener when the broker is back after a loss; returns what forgets it. */
  readonly onReconnect?: (listener: () => void) => () => void;
}

interface Held {
  readonly run: TurnRun;
  delivery: QueueDelivery | undefined;
}

export async function startAgentRunner(given: Ports, options: AgentRunnerOptions): Promise<RunningApp> {
  const { live, clock, random, logger } = given;
  const abort = new AbortController();
  // Each turn that waits for the broker listens once.
  setMaxListeners(0, abort.signal);
  const log = patientReads(given.log, { clock, signal: abort.signal });
  const ports = { ...given, log };
  const runner = `${options.name}/${random.token(8)}`;
  const tools = new Map(options.tools.map((tool) => [tool.spec.name, tool]));
  const parts = { ports, model: options.model, tools, history: createHistory(log), settings: options.settings, runner };
  const held = new Map<string, Held>();
  let earlySignals: StoredEvent[] = [];
  let reject: (error: unknown) => void = () => undefined;
  const failed = new Promise<never>((_, fail) => (reject = fail));
  failed.catch(() => undefined);

  const leases = createLeases({ live, clock, runner, onSilent: () => void scan().catch(later) });
  const later = (error: unknown): void => logger.warn({ error: describeError(error) }, "open turns could not be read");

  function take(key: TurnKey, request: StoredEvent<"TurnRequested">, fresh: boolean, delivery?: QueueDelivery): void {
    const run = startTurn(parts, key, request, fresh);
    held.set(key.turn, { run, delivery });
    leases.hold(held.size);
    keepWorking().catch(reject);
    for (const signal of earlySignals) if (turnOf(signal) === key.turn) run.signal(signal);
    run.done
      .then((outcome) => settle(key, request, outcome))
      .catch((error: unknown) => {
        // The turn stays open in the log; the queue hands it out again.
        logger.error({ turn: key.turn, error: describeError(error) }, "a turn was given up by this runner");
        release(key);
      })
      .catch(reject);
  }

  function release(key: TurnKey): QueueDelivery | undefined {
    const delivery = held.get(key.turn)?.delivery;
    held.delete(key.turn);
    leases.hold(held.size);
    queue.wake();
    return delivery;
  }

  async function settle(key: TurnKey, request: StoredEvent<"TurnRequested">, outcome: TurnOutcome): Promise<void> {
    // A turn may be resumed before it was let go: its TurnResumed is then the delivery in hand, and must not be acked away.
    const resumed = outcome === "parked" && (await inspect(key))?.settled === false;
    const delivery = release(key);
    if (resumed) take(key, request, false, delivery);
    else if (outcome !== "lost") delivery?.ack();
  }

  function turnOf(event: { subject: string }): string | undefined {
    const place = parseSubject(event.subject);
    return place?.type === "turn" ? place.key.turn : undefined;
  }

  async function onWake(delivery: QueueDelivery): Promise<void> {
    const { entry } = delivery;
    const place = parseSubject(entry.subject);
    if (place?.type !== "turn" || entry.type === "unreadable") {
      await deadLetter(
        ports,
        SOURCE,
        entry,
        "BUS_EVENT_UNREADABLE",
        entry.type === "unreadable" ? entry.message : "no turn",
      );
      delivery.ack();
      return;
    }
    const mine = held.get(place.key.turn);
    if (mine !== undefined) {
      // We took the turn from its journal, or the broker came back: this delivery is now ours to settle.
      mine.delivery = delivery;
      return;
    }
    const full = held.size >= options.maxTurns;
    if (entry.type === "TurnRequested" && delivery.deliveryCount === 1 && !full) {
      take(place.key, entry, true, delivery);
      return;
    }
    const state = full ? undefined : await inspect(place.key);
    const taken = held.get(place.key.turn);
    if (taken !== undefined) taken.delivery = delivery;
    else if (full || held.size >= options.maxTurns) delivery.nak(WAKE_WORKING_MS * 2);
    else if (state === undefined || state.settled) delivery.ack();
    // One of ours that is not held was given up here: while we live nobody else would take it.
    else if (state.holder !== undefined && state.holder !== runner && leases.alive(state.holder))
      delivery.nak(WAKE_WORKING_MS * 2);
    else take(place.key, state.request, false, delivery);
  }

  /** What the journal says of a turn: its request, whether it needs a runner, and who claimed it last. */
  async function inspect(
    key: TurnKey,
  ): Promise<{ request: StoredEvent<"TurnRequested">; settled: boolean; holder: string | undefined } | undefined> {
    const entries = await log.fetch({ filter: filters.turn(key), fromSeq: 1, limit: 10_000 });
    const request = entries.find((entry) => entry.type === "TurnRequested");
    if (request === undefined) return undefined;
    let settled = false;
    let holder: string | undefined;
    for (const entry of entries) {
      if (entry.type === "TurnClaimed") holder = entry.data.runner;
      if (entry.type === "TurnResumed") [settled, holder] = [false, undefined];
      if (entry.type === "TurnParked") settled = true;
      if (entry.type === "TurnClaimed") settled = false;
      if (entry.type === "TurnCompleted" || entry.type === "TurnFailed" || entry.type === "TurnCancelled")
        settled = true;
      if (settled && entry.type.startsWith("Turn") && entry.type !== "TurnParked") break;
    }
    return { request, settled, holder };
  }

  /** Takes the open turns of runners that are gone, without waiting for the queue to hand them out again. */
  async function scan(): Promise<void> {
    const fromSeq = await log.queueFloor(WAKE_QUEUE);
    const wakes = await log.fetch({ filter: filters.wakes, fromSeq, limit: MAX_OPEN_WAKES });
    const seen = new Set<string>();
    for (const wake of wakes) {
      const place = parseSubject(wake.subject);
      if (place?.type !== "turn" || seen.has(place.key.turn) || held.has(place.key.turn)) continue;
      seen.add(place.key.turn);
      const state = await inspect(place.key);
      if (state === undefined || state.settled || held.has(place.key.turn)) continue;
      // A predecessor under our own name is dead, or we would not run; of others only silence tells.
      const predecessor = state.holder?.startsWith(`${options.name}/`) === true;
      if (state.holder !== undefined && !predecessor && leases.alive(state.holder)) continue;
      if (held.size < options.maxTurns) take(place.key, state.request, false);
    }
  }

  async function readSignals(fromSeq: number): Promise<void> {
    for await (const { events } of log.read({ filters: [filters.signals], fromSeq, signal: abort.signal })) {
      for (const event of events) {
        if (event.type === "unreadable") continue;
        const run = held.get(turnOf(event) ?? "")?.run;
        run?.signal(event);
        if (run === undefined) earlySignals = [...earlySignals, event].slice(-MAX_EARLY_SIGNALS);
      }
    }
  }

  async function readQueue(): Promise<void> {
    for await (const delivery of queue) {
      onWake(delivery)
        .catch((error: unknown) => {
          logger.warn({ error: describeError(error) }, "a wake could not be handled; it comes again");
        })
        // A delivery that opened no turn leaves its place free.
        .finally(() => queue.wake());
    }
  }

  let keeping = false;

  /** Runs while turns are held: an idle runner has no timer. */
  async function keepWorking(): Promise<void> {
    if (keeping) return;
    keeping = true;
    while (held.size > 0 && !abort.signal.aborted) {
      await clock.sleep(WAKE_WORKING_MS, abort.signal);
      for (const { delivery } of held.values()) delivery?.working();
    }
    keeping = false;
  }

  const { lastSeq } = await log.identity();
  const queue = log.queue({
    queue: WAKE_QUEUE,
    signal: abort.signal,
    capacity: () => options.maxTurns - held.size,
  });
  const unserve = live.serve(liveSubjects.query(SOURCE, "partial"), async (data) => {
    const turn = (data as { turn?: unknown } | undefined)?.turn;
    const streaming = typeof turn === "string" ? held.get(turn)?.run.streaming : undefined;
    // Only the runner that holds the turn answers.
    return Promise.resolve(streaming === undefined ? undefined : { turn, ...streaming });
  });
  // Tokens said while the broker was away are lost, and a model that is silent now would not show the gap.
  const forget = options.onReconnect?.(() => {
    for (const { run } of held.values()) run.retell();
  });
  const running = [readSignals(lastSeq + 1), readQueue()];
  for (const one of running) one.catch(reject);
  void scan().catch(later);

  return {
    failed,
    async close() {
      abort.abort();
      unserve();
      forget?.();
      for (const { run } of held.values()) run.abandon();
      leases.close();
      await Promise.allSettled([...[...held.values()].map(({ run }) => run.done), ...running]);
    },
  };
}
