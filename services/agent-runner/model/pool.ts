// The Model that the runner uses: every call runs in a worker thread.
// In: ModelRequests and, per model, an endpoint. Out: text chunks and ModelResults.
// Owns: the threads and their end. Never: loads a provider in this thread, lets one call's hang hold another's place.
import { existsSync } from "node:fs";
import { MessageChannel, receiveMessageOnPort } from "node:worker_threads";
import type { MessagePort } from "node:worker_threads";
import { Piscina } from "piscina";
import { ModelError, cancelled } from "./port.ts";
import type { Model, ModelEndpoint, ModelStream } from "./port.ts";
import type { ModelTask, ModelTaskResult, WorkerMessage } from "./worker.ts";

export interface ModelPoolOptions {
  /** Absolute path of the worker's file: `dist/model-worker.js`, or `worker.ts` under a loader. */
  workerFile: string;
  /** Where a model answers and with which key. May throw a ModelError. */
  endpointFor(model: string): ModelEndpoint;
  minThreads?: number;
  maxThreads?: number;
  concurrentTasksPerWorker?: number;
  /** How long a worker may take to answer an abort before its thread is killed. */
  abortGraceMs?: number;
  /** How long a thread may leave its port unread before it is killed. */
  stallMs?: number;
}

export interface ModelPool extends Model {
  /** Ends all threads; running calls reject with MODEL_WORKER_LOST. */
  close(): Promise<void>;
  /** Threads alive now. */
  threadCount(): number;
}

// One thread stays warm: a cold one costs the first word of a turn some 100 ms.
const MIN_THREADS = 1;
// A stream is mostly waiting; the second thread is for the case that the first is parsing or killed.
const MAX_THREADS = 2;
// A killed thread takes its neighbours down, so not all eggs in one.
const TASKS_PER_WORKER = 16;
const ABORT_GRACE_MS = 1000;
// A thread at work reads its port every few ms; a machine under load may delay that by a second or two.
const STALL_MS = 10_000;
const STALL_BEATS = 5;
// Long enough for the next step of a turn, short enough to give the memory back.
const IDLE_TIMEOUT_MS = 30_000;
// A runaway stream ends its thread, not the runner. A full load of bounded answers needs about 50 MB.
const MAX_HEAP_MB = 256;
// Waiting calls hold their whole request in memory.
const MAX_WAITING = 1000;

/** Opens the pool. Throws when the worker's file does not exist. */
export function createModelPool(options: ModelPoolOptions): ModelPool {
  if (!existsSync(options.workerFile)) throw new Error(`The model worker is missing: ${options.workerFile}`);
  const perWorker = options.concurrentTasksPerWorker ?? TASKS_PER_WORKER;
  const maxThreads = options.maxThreads ?? MAX_THREADS;
  const running = new Set<WatchedCall>();
  const piscina = new Piscina<ModelTask, ModelTaskResult>({
    filename: options.workerFile,
    name: "runModelTask",
    // At least one: when the last thread dies, piscina starts the next only to reach this number, and calls that
    // wait would wait for ever.
    minThreads: Math.max(1, options.minThreads ?? MIN_THREADS),
    maxThreads,
    concurrentTasksPerWorker: perWorker,
    idleTimeout: IDLE_TIMEOUT_MS,
    // Piscina's idle wait blocks the thread: a kept connection would not notice that its server closed it.
    atomics: "disabled",
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
    // By default piscina gives a task with an abort signal a thread of its own (it counts as Infinity). Ours share.
    loadBalancer: (_task, workers) => {
      const [calmest] = workers.toSorted((a, b) => load(a.currentUsage) - load(b.currentUsage));
      return calmest !== undefined && load(calmest.currentUsage) < perWorker ? calmest : null;
    },
  });
  // A thread that cannot even start takes no task with it, so the waiting ones must be told.
  piscina.on("error", () => {
    for (const call of running) call.giveUpWaiting();
  });

  return {
    async run(request, stream) {
      if (stream.signal.aborted) throw cancelled();
      if (running.size >= MAX_WAITING + maxThreads * perWorker)
        throw new ModelError("MODEL_RATE_LIMITED", "Too many model calls wait in this process. Try again later.", {
          retryAfterMs: 1000,
        });
      const endpoint = options.endpointFor(request.model);
      const { port1, port2 } = new MessageChannel();
      const call = watchCall(port1, stream, options.abortGraceMs ?? ABORT_GRACE_MS, options.stallMs ?? STALL_MS);
      running.add(call);
      try {
        const task: ModelTask = { request, endpoint, port: port2 };
        const outcome = await piscina.run(task, { transferList: [port2], signal: call.kill });
        call.drain();
        if (outcome.ok) return outcome.result;
        throw ModelError.fromPlain(outcome.error);
      } catch (error) {
        throw call.failure() ?? toModelError(error, stream.signal);
      } finally {
        running.delete(call);
        call.close();
      }
    },
    close: () => piscina.destroy(),
    threadCount: () => piscina.threads.length,
  };
}

/** Piscina reports a thread that runs one abortable task as infinitely busy. */
function load(usage: number): number {
  return usage === Infinity ? 1 : usage;
}

interface WatchedCall {
  /** Aborted when the worker does not answer in time: piscina then kills its thread. */
  kill: AbortSignal;
  /** Takes the call out of the queue when no thread has begun it. */
  giveUpWaiting(): void;
  /** Hands on what the worker posted before its result: the two travel on different ports. */
  drain(): void;
  /** What the caller's own `onText` threw. */
  failure(): unknown;
  close(): void;
}

function watchCall(port: MessagePort, stream: ModelStream, graceMs: number, stallMs: number): WatchedCall {
  const kill = new AbortController();
  let failure: unknown;
  let grace: NodeJS.Timeout | undefined;
  let started = false;
  let unanswered = 0;

  const abort = () => {
    port.postMessage({ type: "abort" });
    grace ??= setTimeout(() => kill.abort(), graceMs);
  };
  // The limits of a call live in its thread, so a thread that spins would never end by them. Counted in beats, not in
  // time: after a stop of the whole process the thread gets its turn before the last beat.
  const beat = setInterval(() => {
    if (!started) return;
    if (unanswered === STALL_BEATS) kill.abort();
    unanswered += 1;
    port.postMessage({ type: "ping" });
  }, stallMs / STALL_BEATS);
  const onMessage = (message: WorkerMessage) => {
    started = true;
    unanswered = 0;
    if (message.type !== "text" || stream.signal.aborted || failure !== undefined) return;
    try {
      stream.onText(message.text);
    } catch (error) {
      // Thrown from here it would end the process.
      failure = error;
      abort();
    }
  };
  port.on("message", onMessage);
  stream.signal.addEventListener("abort", abort, { once: true });
  return {
    kill: kill.signal,
    giveUpWaiting() {
      if (!started) kill.abort();
    },
    drain() {
      let entry: { message?: unknown } | undefined;
      while ((entry = receiveMessageOnPort(port)) !== undefined) onMessage(entry.message as WorkerMessage);
    },
    failure: () => failure,
    close() {
      clearTimeout(grace);
      clearInterval(beat);
      stream.signal.removeEventListener("abort", abort);
      port.close();
    },
  };
}

function toModelError(error: unknown, signal: AbortSignal): ModelError {
  if (signal.aborted) return cancelled();
  if (error instanceof ModelError) return error;
  return new ModelError("MODEL_WORKER_LOST", "The thread that streamed the model ended or could not start. Ask again.");
}
