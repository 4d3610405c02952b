// A fetch with limits, that remembers why it failed.
// In: requests of one model call. Out: responses whose bodies are watched; the first failure as a ModelError.
// Owns: time-outs, size limits, the call's connections (all closed by `close`). Never: reads the meaning of a byte.
import { cancelled } from "./port.ts";
import type { ModelError } from "./port.ts";
import { badResponse, networkError, statusError, timedOut } from "./server-errors.ts";
import type { ModelServerFacts } from "./server-errors.ts";

export interface WireLimits {
  /** Until the first byte of the body; local models load from disk before it. */
  firstByteTimeoutMs: number;
  /** Between two pieces of the body. */
  idleTimeoutMs: number;
}

// A server that sends a ping a minute for ever must not hold a turn for ever.
const TOTAL_TIMEOUT_MS = 20 * 60_000;
// 1 MB of text in frames of one token (4 bytes in about 250) is 64 MB on the wire.
const MAX_BODY_BYTES = 64 * 1024 * 1024;
// A frame without an end would be collected in memory; the longest honest one holds a whole answer at once.
const MAX_LINE_BYTES = 4 * 1024 * 1024;
// An error body is a sentence or a page of a proxy.
const MAX_ERROR_BYTES = 64 * 1024;

export interface Wire {
  fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>;
  /** Aborted with the call, by a limit, and by `close`. */
  readonly signal: AbortSignal;
  /** Why the wire failed; undefined while it has not. */
  failure(): ModelError | undefined;
  /** Requests begun and body bytes received so far. */
  counts(): { requests: number; bytes: number };
  /** Closes every connection of the call. Harmless after the end. */
  close(): void;
}

/** Opens the wire of one model call. `signal` is the caller's. */
export function openWire(server: ModelServerFacts, signal: AbortSignal, limits: WireLimits): Wire {
  const controller = new AbortController();
  let failure: ModelError | undefined;
  let requests = 0;
  let bytes = 0;

  const fail = (error: ModelError): ModelError => {
    failure ??= error;
    controller.abort(failure);
    return failure;
  };
  const onAbort = () => void fail(cancelled());
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  const total = setTimeout(() => fail(timedOut(server, TOTAL_TIMEOUT_MS)), TOTAL_TIMEOUT_MS);

  /** Waits for `step`, at most `limitMs`; a network failure and the limit become the wire's failure. */
  const watched = async <T>(step: () => Promise<T>, limitMs: number, phase: "connect" | "body"): Promise<T> => {
    const timer = setTimeout(() => fail(timedOut(server, limitMs)), limitMs);
    try {
      return await step();
    } catch (error) {
      throw fail(networkError(error, phase, server));
    } finally {
      clearTimeout(timer);
    }
  };

  const watchedBody = (body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> => {
    const reader = body.getReader();
    let lineBytes = 0;
    let limitMs = limits.firstByteTimeoutMs;
    return new ReadableStream<Uint8Array>({
      async pull(out) {
        const { done, value } = await watched(() => reader.read(), limitMs, "body");
        if (done) return out.close();
        limitMs = limits.idleTimeoutMs;
        bytes += value.length;
        const lineEnd = value.lastIndexOf(0x0a);
        lineBytes = lineEnd < 0 ? lineBytes + value.length : value.length - lineEnd - 1;
        if (bytes > MAX_BODY_BYTES || lineBytes > MAX_LINE_BYTES)
          throw fail(badResponse(server, "it is larger than any honest one", false));
        out.enqueue(value);
      },
      cancel: (reason) => reader.cancel(reason),
    });
  };

  return {
    signal: controller.signal,
    failure: () => failure,
    counts: () => ({ requests, bytes }),
    async fetch(input, init) {
      if (failure) throw failure;
      requests += 1;
      // `manual`, because a followed redirect would carry an x-api-key header to another host.
      const options: RequestInit = { ...init, signal: controller.signal, redirect: "manual" };
      const response = await watched(() => fetch(input, options), limits.firstByteTimeoutMs, "connect");
      if (!response.ok) {
        const text = await watched(() => readStart(response), limits.idleTimeoutMs, "body");
        throw fail(statusError(response.status, response.headers, text, server));
      }
      if (response.body === null) return response;
      return new Response(watchedBody(response.body), { status: response.status, headers: response.headers });
    },
    close() {
      clearTimeout(total);
      signal.removeEventListener("abort", onAbort);
      controller.abort();
    },
  };
}

async function readStart(response: Response): Promise<string> {
  if (response.body === null) return "";
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  while (text.length < MAX_ERROR_BYTES) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    text += decoder.decode(value, { stream: true });
  }
  await reader.cancel();
  return text.slice(0, MAX_ERROR_BYTES);
}
