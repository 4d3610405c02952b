import assert from "node:assert/strict";
import { MessageChannel, receiveMessageOnPort } from "node:worker_threads";
import { after, describe, test } from "node:test";
import { sourceWorkerFile, spinningWorkerFile } from "../../../test/support/model-servers/index.ts";
import { createModelPool } from "./pool.ts";
import type { ModelPool, ModelPoolOptions } from "./pool.ts";
import { ModelError } from "./port.ts";
import type { ModelRequest } from "./port.ts";
import { runModelTask } from "./worker.ts";

const pools: ModelPool[] = [];
after(() => Promise.all(pools.map((pool) => pool.close())));

function open(options: Partial<ModelPoolOptions> = {}): ModelPool {
  const pool = createModelPool({ workerFile: spinningWorkerFile, endpointFor: () => ({}), maxThreads: 1, ...options });
  pools.push(pool);
  return pool;
}

function request(model: string, said = "hello"): ModelRequest {
  return { model, system: "", messages: [{ role: "user", text: said }], tools: [], maxOutputTokens: 100 };
}

/** A call, what it streamed so far, and a promise of its first piece. */
function start(pool: ModelPool, question: ModelRequest) {
  const abort = new AbortController();
  const chunks: string[] = [];
  let onFirst = () => {};
  const first = new Promise<void>((resolve) => (onFirst = resolve));
  const onText = (text: string) => {
    chunks.push(text);
    onFirst();
  };
  const code = pool.run(question, { onText, signal: abort.signal }).then(
    () => "answered",
    (error: unknown) => (error instanceof ModelError ? error.code : String(error)),
  );
  return { abort, chunks, first, code };
}

// A guard that is off shows as a call that never ends, so each test has a deadline.
void describe("the model pool", { timeout: 60_000 }, () => {
  void test("streams from a thread and hands the last word over before the end", async () => {
    const pool = open({ workerFile: sourceWorkerFile });
    const chunks: string[] = [];
    const result = await pool.run(request("demo:fast", "count to 300"), {
      onText(text) {
        chunks.push(text);
        // Busy once, so that the last words and the result are both waiting when the loop comes back. Not within this
        // call, because a port hands over all that it has before another gets its turn.
        if (chunks.length === 2) setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200));
      },
      signal: new AbortController().signal,
    });
    assert.equal(chunks.join(""), result.text);
    assert(chunks.length > 1);
  });

  void test("runs several calls in one thread at once", async () => {
    const pool = open();
    const calls = Array.from({ length: 5 }, () => start(pool, request("demo:slow")));
    await Promise.all(calls.map((call) => call.first));
    assert.equal(pool.threadCount(), 1);
    for (const call of calls) call.abort.abort();
    for (const call of calls) assert.equal(await call.code, "MODEL_CANCELLED");
  });

  void test("ends a call that is aborted while it waits, and gives its place to the next", async () => {
    const pool = open({ concurrentTasksPerWorker: 1 });
    const running = start(pool, request("demo:slow"));
    await running.first;
    const waiting = start(pool, request("demo:fast"));
    const next = start(pool, request("demo:fast"));
    waiting.abort.abort();
    running.abort.abort();
    assert.deepEqual(await Promise.all([running.code, waiting.code, next.code]), [
      "MODEL_CANCELLED",
      "MODEL_CANCELLED",
      "answered",
    ]);
    assert.deepEqual(waiting.chunks, []);
  });

  void test("asks no model for a call that was aborted before its thread began it", async () => {
    const { port1, port2 } = new MessageChannel();
    port1.postMessage({ type: "abort" });
    const outcome = await runModelTask({ request: request("demo:fast"), endpoint: {}, port: port2 });
    assert.equal(outcome.ok ? "answered" : outcome.error.code, "MODEL_CANCELLED");
    assert.equal(receiveMessageOnPort(port1), undefined, "not a word was said");
    port1.close();
  });

  void test("leaves the thread alone when a call ends within the grace period", async () => {
    const pool = open();
    const neighbour = start(pool, request("demo", "count to 20"));
    const aborted = start(pool, request("demo:slow"));
    await aborted.first;
    aborted.abort.abort();
    assert.equal(await aborted.code, "MODEL_CANCELLED");
    assert.equal(await neighbour.code, "answered");
  });

  void test("kills a thread that does not answer an abort; its other calls can be asked again", async () => {
    const pool = open({ abortGraceMs: 100, stallMs: 3_600_000 });
    const neighbour = start(pool, request("demo:slow"));
    await neighbour.first;
    const spinning = start(pool, request("demo:spin"));
    await spinning.first;
    spinning.abort.abort();
    assert.equal(await spinning.code, "MODEL_CANCELLED");
    assert.equal(await neighbour.code, "MODEL_WORKER_LOST");
    assert.equal(await start(pool, request("demo:fast")).code, "answered");
  });

  void test("kills a thread that spins although nobody aborts, and serves who waits", async () => {
    const pool = open({ stallMs: 500, concurrentTasksPerWorker: 1 });
    const spinning = start(pool, request("demo:spin"));
    const waiting = start(pool, request("demo:fast"));
    assert.equal(await spinning.code, "MODEL_WORKER_LOST");
    assert.equal(await waiting.code, "answered");
  });

  void test("survives a thread that crashes", async () => {
    const pool = open();
    const neighbour = start(pool, request("demo:slow"));
    await neighbour.first;
    assert.equal(await start(pool, request("demo:crash")).code, "MODEL_WORKER_LOST");
    assert.equal(await neighbour.code, "MODEL_WORKER_LOST");
    assert.equal(await start(pool, request("demo:fast")).code, "answered");
  });

  void test("rejects with what the listener threw, and stops the call", async () => {
    const pool = open();
    const failing = pool.run(request("demo:slow"), {
      onText() {
        throw new Error("the listener's own");
      },
      signal: new AbortController().signal,
    });
    await assert.rejects(failing, /the listener's own/);
  });

  void test("asks for the endpoint at every call and passes its refusal on", async () => {
    const pool = open({
      endpointFor(model) {
        throw new ModelError("MODEL_AUTH", `no key for ${model}`);
      },
    });
    assert.equal(await start(pool, request("openai:x")).code, "MODEL_AUTH");
  });

  void test("does nothing for a call that was aborted before it began", async () => {
    const pool = open();
    await assert.rejects(
      pool.run(request("demo"), { onText: () => assert.fail("spoke"), signal: AbortSignal.abort() }),
      { code: "MODEL_CANCELLED" },
    );
  });

  void test("ends running calls when it is closed", async () => {
    const pool = open();
    const running = start(pool, request("demo:slow"));
    await running.first;
    await pool.close();
    assert.equal(await running.code, "MODEL_WORKER_LOST");
    assert.equal(pool.threadCount(), 0);
  });

  void test("says which worker file is missing", () => {
    assert.throws(() => open({ workerFile: "/nowhere/model-worker.js" }), /nowhere/);
  });
});
