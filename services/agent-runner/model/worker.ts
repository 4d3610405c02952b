// The thread in which models stream, so that a slow or hostile stream never blocks the runner's loop.
// In: a task with a request, its endpoint and a port; `{type:"abort"}` on the port. Out: `{type:"text"}` on the port,
// then the result or the error as the task's value. Owns: the providers' modules, loaded here and nowhere else.
// Never: logs (a request holds a chat, an endpoint holds a key), keeps anything between two tasks.
import { receiveMessageOnPort } from "node:worker_threads";
import type { MessagePort } from "node:worker_threads";
import { ModelError, cancelled } from "./port.ts";
import type { ModelEndpoint, ModelRequest, ModelResult, PlainModelError } from "./port.ts";
import { createModel, parseModel } from "./select.ts";

export interface ModelTask {
  request: ModelRequest;
  endpoint: ModelEndpoint;
  port: MessagePort;
}

/** From the pool to the thread; a `ping` is answered by `alive`. */
type PoolMessage = { type: "abort" } | { type: "ping" };

/** From the thread to the pool. The first `alive` says that the task has begun. */
export type WorkerMessage = { type: "text"; text: string } | { type: "alive" };

export type ModelTaskResult = { ok: true; result: ModelResult } | { ok: false; error: PlainModelError };

/** Runs one model step. Resolves always; piscina calls it by its name. */
export async function runModelTask({ request, endpoint, port }: ModelTask): Promise<ModelTaskResult> {
  const abort = new AbortController();
  // Cancelled while it waited for this thread: not one byte is sent.
  if (receiveMessageOnPort(port)) return { ok: false, error: cancelled().toPlain() };
  const post = (message: WorkerMessage) => port.postMessage(message);
  port.on("message", (message: PoolMessage) => {
    if (message.type === "abort") abort.abort();
    else post({ type: "alive" });
  });
  post({ type: "alive" });
  const text = textBatches((joined) => post({ type: "text", text: joined }));
  try {
    const model = await createModel(parseModel(request.model).provider, endpoint);
    if (abort.signal.aborted) throw cancelled();
    const result = await model.run(request, { onText: (piece) => text.add(piece), signal: abort.signal });
    return { ok: true, result };
  } catch (error) {
    return { ok: false, error: toPlain(error) };
  } finally {
    // Before the task's value leaves, or the last words would come after the end.
    text.flush();
    port.close();
  }
}

/**
 * Each crossing between threads, processes and sockets costs more than the words in it, and nobody reads faster than a
 * display shows: shorter than one frame, longer than a fast model's pause between two words.
 */
const JOIN_MS = 12;

/** The first piece leaves at once; later ones are joined. */
function textBatches(send: (text: string) => void): { add(piece: string): void; flush(): void } {
  let waiting = "";
  let timer: NodeJS.Timeout | undefined;
  let sentMs = Number.NEGATIVE_INFINITY;
  const flush = () => {
    clearTimeout(timer);
    timer = undefined;
    if (waiting === "") return;
    send(waiting);
    waiting = "";
    sentMs = performance.now();
  };
  return {
    add(piece) {
      waiting += piece;
      if (timer !== undefined || piece === "") return;
      const waitMs = sentMs + JOIN_MS - performance.now();
      if (waitMs <= 0) flush();
      else timer = setTimeout(flush, waitMs);
    },
    flush,
  };
}

function toPlain(error: unknown): PlainModelError {
  if (error instanceof ModelError) return error.toPlain();
  // Only the name: the message of an unforeseen error may quote anything, a key too.
  const name = error instanceof Error ? error.name : "unknown error";
  return new ModelError("MODEL_BAD_RESPONSE", `The model call failed unexpectedly (${name}).`).toPlain();
}
