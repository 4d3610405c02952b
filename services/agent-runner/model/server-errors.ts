// What a model server or the network did, as a ModelError.
// In: a status with headers and body, a network error, an error object inside a stream. Out: a ModelError with a readable text.
// Owns: the mapping and the redaction. Never: a key, a password or a whole body in a text.
import { ModelError } from "./port.ts";
import type { ModelErrorCode } from "./port.ts";

/** The server a call talks to, for error texts and redaction. */
export interface ModelServerFacts {
  /** How a person calls it: `Anthropic`, `Ollama`, `The model server`. */
  name: string;
  model: string;
  baseUrl: string;
  apiKey?: string;
  /** What a person does when nothing answers at `baseUrl`. */
  unreachableHint?: string;
}

// A sentence of the server is worth showing; a page of it is not, and it might hold what we sent.
const MAX_DETAIL_LENGTH = 200;
// Longer waits are no wait but a failure that a person should see.
const MAX_RETRY_AFTER_MS = 3_600_000;

/** `text` without the key, nor any word that holds its first eight characters (servers echo keys shortened). */
export function redact(text: string, apiKey: string | undefined): string {
  if (apiKey === undefined || apiKey.length < 4) return text;
  const escaped = apiKey.slice(0, 8).replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return text.replaceAll(apiKey, "[key]").replace(new RegExp(`\\S*${escaped}\\S*`, "g"), "[key]");
}

/** Milliseconds of a `retry-after` (seconds or date) or `retry-after-ms` header; undefined when there is none. */
export function retryAfterMs(headers: Headers, nowMs: number): number | undefined {
  const exactMs = Number(headers.get("retry-after-ms") ?? Number.NaN);
  if (Number.isFinite(exactMs)) return clamp(exactMs);
  const value = headers.get("retry-after");
  if (value === null) return undefined;
  if (/^\d+(\.\d+)?$/.test(value.trim())) return clamp(Number(value) * 1000);
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : clamp(date - nowMs);
}

function clamp(ms: number): number {
  return Math.min(Math.max(0, Math.round(ms)), MAX_RETRY_AFTER_MS);
}

/** The server's own sentence about a failure, shortened and redacted, as ` It says: "…"`; "" when it said nothing. */
function detail(body: string, server: ModelServerFacts): string {
  const text = redact(readMessage(body), server.apiKey)
    .replace(/[\p{Cc}\p{Cf}]+/gu, " ")
    .trim();
  if (text === "") return "";
  return ` It says: "${text.length > MAX_DETAIL_LENGTH ? `${text.slice(0, MAX_DETAIL_LENGTH)}…` : text}"`;
}

function readMessage(body: string): string {
  const error = readError(body);
  return typeof error?.["message"] === "string" ? error["message"] : "";
}

/** The error object in a JSON body: `{error:{…}}`, `{error:"…"}` or the object itself. */
function readError(body: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body);
    if (!isRecord(value)) return undefined;
    const inner = value["error"];
    if (typeof inner === "string") return { message: inner };
    return isRecord(inner) ? inner : value;
  } catch {
    return undefined;
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The ModelError for an HTTP status that is not 2xx. */
export function statusError(status: number, headers: Headers, body: string, server: ModelServerFacts): ModelError {
  const said = detail(body, server);
  const { name } = server;
  if (status === 401 || status === 403)
    // Here a server is likeliest to echo the key, so its sentence is left out.
    return new ModelError("MODEL_AUTH", `${name} refused the API key (${status}). Check the key and its rights.`, {
      status,
    });
  if (status === 402)
    return new ModelError("MODEL_AUTH", `${name} asks for payment (402). Check the account's credit.${said}`, {
      status,
    });
  if (status === 404)
    return new ModelError(
      "MODEL_UNKNOWN",
      `${name} does not know the model ${server.model} (404). Check the model's name and the base URL ${server.baseUrl}.${said}`,
      { status },
    );
  if (status === 408) return new ModelError("MODEL_TIMEOUT", `${name} gave up waiting (408).${said}`, { status });
  if (status === 429) return rateLimited(status, headers, body, said, server);
  if (status >= 500) {
    const wait = retryAfterMs(headers, Date.now());
    const what = status === 529 || status === 503 ? "is overloaded" : "failed";
    return new ModelError("MODEL_SERVER_ERROR", `${name} ${what} (${status}). Try again later.${said}`, {
      status,
      ...(wait === undefined ? {} : { retryAfterMs: wait }),
    });
  }
  if (status >= 300 && status < 400)
    return new ModelError(
      "MODEL_BAD_REQUEST",
      `${name} redirects elsewhere (${status}). Redirects are not followed, so that the key stays with the server it was meant for: put the final address into the base URL.`,
      { status },
    );
  return new ModelError("MODEL_BAD_REQUEST", `${name} refused the request (${status}).${said}`, { status });
}

function rateLimited(
  status: number,
  headers: Headers,
  body: string,
  said: string,
  { name }: ModelServerFacts,
): ModelError {
  // No credit comes as 429 too, but no wait cures it.
  if (readError(body)?.["code"] === "insufficient_quota")
    return new ModelError("MODEL_RATE_LIMITED", `${name} says that the account has no credit left (429).${said}`, {
      status,
      retryable: false,
    });
  const wait = retryAfterMs(headers, Date.now());
  const when = wait === undefined ? "Try again later." : `It asks to wait ${Math.ceil(wait / 1000)} s.`;
  return new ModelError("MODEL_RATE_LIMITED", `${name} limits the rate (429). ${when}${said}`, {
    status,
    ...(wait === undefined ? {} : { retryAfterMs: wait }),
  });
}

const STREAM_ERROR_CODES: Record<string, ModelErrorCode> = {
  overloaded_error: "MODEL_SERVER_ERROR",
  api_error: "MODEL_SERVER_ERROR",
  server_error: "MODEL_SERVER_ERROR",
  timeout_error: "MODEL_TIMEOUT",
  rate_limit_error: "MODEL_RATE_LIMITED",
  rate_limit_exceeded: "MODEL_RATE_LIMITED",
  authentication_error: "MODEL_AUTH",
  permission_error: "MODEL_AUTH",
  invalid_request_error: "MODEL_BAD_REQUEST",
  not_found_error: "MODEL_UNKNOWN",
};

/** The ModelError for an error object that came inside a 200 stream: `{type, message, code}` in any of the dialects. */
export function streamError(error: Record<string, unknown>, server: ModelServerFacts): ModelError {
  const kind = [error["type"], error["code"]].find((value) => typeof value === "string" && value in STREAM_ERROR_CODES);
  const code = STREAM_ERROR_CODES[String(kind)] ?? "MODEL_SERVER_ERROR";
  const said = code === "MODEL_AUTH" ? "" : detail(JSON.stringify(error), server);
  return new ModelError(code, `${server.name} broke its answer off with an error. Try again later.${said}`);
}

/** The ModelError for a failed fetch or a body that stopped. `phase` says whether the answer had begun. */
export function networkError(error: unknown, phase: "connect" | "body", server: ModelServerFacts): ModelError {
  const code = findCode(error);
  const { name, baseUrl } = server;
  if (code.startsWith("HPE_"))
    return new ModelError("MODEL_BAD_RESPONSE", `${name} at ${baseUrl} does not speak HTTP properly (${code}).`);
  if (code === "UND_ERR_HEADERS_TIMEOUT" || code === "UND_ERR_BODY_TIMEOUT") return timedOut(server);
  if (phase === "body" || code === "ECONNRESET" || code === "EPIPE" || code === "UND_ERR_SOCKET")
    return brokenOff(server);
  if (code.startsWith("CERT_") || code.includes("SELF_SIGNED") || code.includes("VERIFY") || code.startsWith("ERR_TLS"))
    return new ModelError("MODEL_UNREACHABLE", `The certificate of ${baseUrl} is not trusted (${code}).`, {
      retryable: false,
    });
  const hint = server.unreachableHint ?? "Check the base URL and the network.";
  return new ModelError("MODEL_UNREACHABLE", `${name} does not answer at ${baseUrl}${code && ` (${code})`}. ${hint}`);
}

function findCode(error: unknown): string {
  let current: unknown = error;
  for (let depth = 0; depth < 5 && typeof current === "object" && current !== null; depth++) {
    if ("code" in current && typeof current.code === "string") return current.code;
    current = "cause" in current ? current.cause : undefined;
  }
  return "";
}

/** The stream ended before the model said that it was done: what came is never a complete answer. */
export function brokenOff({ name }: ModelServerFacts): ModelError {
  return new ModelError("MODEL_BROKEN_OFF", `${name} broke off before the end of its answer.`);
}

export function timedOut({ name }: ModelServerFacts, waitedMs?: number): ModelError {
  const after = waitedMs === undefined ? "" : ` after ${Math.round(waitedMs / 100) / 10} s`;
  return new ModelError("MODEL_TIMEOUT", `${name} went silent; given up${after}.`);
}

export function badResponse({ name }: ModelServerFacts, what: string, retryable = true): ModelError {
  return new ModelError("MODEL_BAD_RESPONSE", `${name} sent an answer that cannot be used: ${what}.`, { retryable });
}
