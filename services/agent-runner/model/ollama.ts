// Ollama's own API: alive check, NDJSON streaming with tools, its own counts.
// In: a ModelRequest `ollama:<id>`. Out: a ModelResult. Owns: Ollama's format. Never: pulls or loads a model by itself.
import { collectAnswer, countCalls, parseJson } from "./answer.ts";
import type { Answer } from "./answer.ts";
import { checkApiKey, checkBaseUrl } from "./endpoint.ts";
import { ModelError, cancelled } from "./port.ts";
import type { Model, ModelEndpoint, ModelMessage, ModelRequest, ModelResult, ModelStream } from "./port.ts";
import { badResponse, brokenOff, isRecord, streamError } from "./server-errors.ts";
import type { ModelServerFacts } from "./server-errors.ts";
import { parseModel } from "./select.ts";
import { openWire } from "./wire.ts";
import type { Wire, WireLimits } from "./wire.ts";

const BASE_URL = "http://127.0.0.1:11434";
const IDLE_TIMEOUT_MS = 60_000;
// Ollama sends its first byte after it loaded the model and read the prompt: minutes on a small machine.
// Just under the 300 s at which Node's fetch gives up by itself.
const FIRST_BYTE_TIMEOUT_MS = 290_000;
// The alive check loads nothing, so a running Ollama answers at once.
const ALIVE_TIMEOUT_MS = 5_000;

export interface OllamaModel extends Model {
  /** Names of the models on this machine (`llama3.2:1b`), sorted. Rejects with a ModelError. */
  listModels(): Promise<string[]>;
}

interface Chunk {
  message?: { content?: unknown; tool_calls?: unknown };
  done?: unknown;
  done_reason?: unknown;
  prompt_eval_count?: unknown;
  eval_count?: unknown;
}

/** A Model at an Ollama; needs no key (one is sent as a bearer token if it stands behind a proxy). */
export function createOllamaModel(endpoint: ModelEndpoint): OllamaModel {
  const withWire = async <T>(
    model: string,
    signal: AbortSignal,
    work: (wire: Wire, server: ModelServerFacts, headers: Record<string, string>) => Promise<T>,
  ): Promise<T> => {
    const baseUrl = checkBaseUrl(endpoint.baseUrl ?? BASE_URL).replace(/\/(api|v1)$/, "");
    const apiKey = checkApiKey(endpoint.apiKey);
    const server: ModelServerFacts = { name: "Ollama", model, baseUrl, ...(apiKey === undefined ? {} : { apiKey }) };
    server.unreachableHint = "Start it with `ollama serve`.";
    const headers: Record<string, string> = { "content-type": "application/json" };
    if (apiKey !== undefined) headers["authorization"] = `Bearer ${apiKey}`;
    await checkAlive(server, signal, headers);
    const idleTimeoutMs = endpoint.idleTimeoutMs ?? IDLE_TIMEOUT_MS;
    const limits: WireLimits = { idleTimeoutMs, firstByteTimeoutMs: endpoint.idleTimeoutMs ?? FIRST_BYTE_TIMEOUT_MS };
    const wire = openWire(server, signal, limits);
    try {
      return await work(wire, server, headers);
    } catch (error) {
      throw toModelError(error, server, signal, wire);
    } finally {
      wire.close();
    }
  };

  return {
    run: (request, stream) => {
      const { id } = parseModel(request.model);
      return withWire(id, stream.signal, async (wire, server, headers) => {
        const body = JSON.stringify(toOllamaBody(id, request));
        const response = await wire.fetch(`${server.baseUrl}/api/chat`, { method: "POST", headers, body });
        return readChat(response, request, stream, server);
      });
    },
    listModels: () =>
      withWire("", new AbortController().signal, async (wire, server, headers) => {
        const response = await wire.fetch(`${server.baseUrl}/api/tags`, { headers });
        const value = parseJson(await response.text());
        const models: unknown[] = isRecord(value) && Array.isArray(value["models"]) ? value["models"] : [];
        const names = models.map((model) => (isRecord(model) ? model["name"] : undefined));
        return names.filter((name) => typeof name === "string").toSorted();
      }),
  };
}

/** Tells "Ollama is not running" within seconds, where the chat call must be allowed minutes. */
async function checkAlive(
  server: ModelServerFacts,
  signal: AbortSignal,
  headers: Record<string, string>,
): Promise<void> {
  const wire = openWire(server, signal, { firstByteTimeoutMs: ALIVE_TIMEOUT_MS, idleTimeoutMs: ALIVE_TIMEOUT_MS });
  try {
    await (await wire.fetch(`${server.baseUrl}/api/version`, { headers })).text();
  } catch (error) {
    const failure = toModelError(error, server, signal, wire);
    if (failure.code !== "MODEL_TIMEOUT" && failure.code !== "MODEL_BROKEN_OFF") throw failure;
    throw new ModelError(
      "MODEL_UNREACHABLE",
      `Ollama does not answer at ${server.baseUrl}. ${server.unreachableHint ?? ""}`,
    );
  } finally {
    wire.close();
  }
}

async function readChat(
  response: Response,
  request: ModelRequest,
  stream: ModelStream,
  server: ModelServerFacts,
): Promise<ModelResult> {
  const answer = collectAnswer(server, (text) => stream.onText(text));
  let callNumber = countCalls(request.messages);
  for await (const chunk of readLines(response, server)) {
    if (typeof chunk.message?.content === "string") answer.addText(chunk.message.content);
    if (Array.isArray(chunk.message?.tool_calls))
      for (const call of chunk.message.tool_calls) addCall(answer, call, ++callNumber, server);
    if (chunk.done === true) return toResult(answer, chunk);
  }
  throw brokenOff(server);
}

/** Ollama's calls have no ids in most versions, so all get ours, counted over the conversation. */
function addCall(answer: Answer, call: unknown, number: number, server: ModelServerFacts): void {
  const fn = isRecord(call) ? call["function"] : undefined;
  if (!isRecord(fn) || typeof fn["name"] !== "string") throw badResponse(server, "a tool call has no name");
  answer.addArguments(typeof fn["arguments"] === "string" ? fn["arguments"] : JSON.stringify(fn["arguments"] ?? ""));
  answer.addCall(`call_${number}`, fn["name"], fn["arguments"]);
}

function toResult(answer: Answer, last: Chunk): ModelResult {
  const cutOff = last.done_reason === "length";
  const toolCalls = answer.toolCalls(cutOff);
  // `load` and `unload` end an answer that was never begun.
  const ended = last.done_reason === undefined || last.done_reason === "stop" ? "stop" : "other";
  const { message: _message, ...rawUsage } = last;
  return {
    text: answer.text(),
    toolCalls,
    finishReason: toolCalls.length > 0 ? "tool-calls" : cutOff ? "length" : ended,
    usage: {
      // Absent when the whole prompt came from Ollama's cache.
      inputTokens: typeof last.prompt_eval_count === "number" ? last.prompt_eval_count : 0,
      outputTokens: typeof last.eval_count === "number" ? last.eval_count : 0,
      cachedInputTokens: 0,
      reasoningTokens: 0,
    },
    rawUsage,
  };
}

async function* readLines(response: Response, server: ModelServerFacts): AsyncGenerator<Chunk> {
  if (response.body === null) return;
  const decoder = new TextDecoder();
  let rest = "";
  let read = 0;
  for await (const bytes of response.body) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines)
      if (line.trim() !== "") {
        read += 1;
        yield readChunk(line, server);
      }
  }
  // A cut line at the end is a cut stream, if a stream it was; a whole one without its line end is an answer.
  if (rest.trim() !== "" && (read === 0 || isJson(rest))) yield readChunk(rest, server);
}

function readChunk(line: string, server: ModelServerFacts): Chunk {
  if (!isJson(line)) throw badResponse(server, "a line is no JSON");
  const value = parseJson(line);
  if (!isRecord(value)) throw badResponse(server, "a line is no object");
  if (typeof value["error"] === "string") throw streamError({ message: value["error"] }, server);
  if (!("message" in value) && value["done"] !== true) throw badResponse(server, "a line holds no message");
  return value;
}

function isJson(text: string): boolean {
  try {
    parseJson(text);
    return true;
  } catch {
    return false;
  }
}

function toOllamaBody(model: string, request: ModelRequest): Record<string, unknown> {
  const system = request.system === "" ? [] : [{ role: "system", content: request.system }];
  const tools = request.tools.map(({ name, description, parameters }) => ({
    type: "function",
    function: { name, description, parameters },
  }));
  return {
    model,
    stream: true,
    messages: [...system, ...request.messages.map(toOllamaMessage)],
    ...(tools.length === 0 ? {} : { tools }),
    options: { num_predict: request.maxOutputTokens },
  };
}

function toOllamaMessage(message: ModelMessage): Record<string, unknown> {
  switch (message.role) {
    case "user":
      return { role: "user", content: message.text };
    case "assistant": {
      const calls = message.toolCalls.map((call) => ({ function: { name: call.name, arguments: call.arguments } }));
      return { role: "assistant", content: message.text, ...(calls.length === 0 ? {} : { tool_calls: calls }) };
    }
    case "tool":
      // The format has no error flag, so the text must say it.
      return {
        role: "tool",
        tool_name: message.name,
        content: message.isError ? `Error: ${message.text}` : message.text,
      };
  }
}

function toModelError(error: unknown, server: ModelServerFacts, signal: AbortSignal, wire: Wire): ModelError {
  if (signal.aborted) return cancelled();
  const failure = wire.failure() ?? (error instanceof ModelError ? error : undefined);
  if (failure === undefined) return badResponse(server, "it is no answer of Ollama's; check the base URL");
  if (failure.status !== 404 || server.model === "") return failure;
  return new ModelError(
    "MODEL_UNKNOWN",
    `Ollama does not have the model ${server.model}. Fetch it with \`ollama pull ${server.model}\`.`,
    { status: 404 },
  );
}
