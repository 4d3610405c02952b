// One model step through the AI SDK, for the providers it has.
// In: a ModelRequest, a function that makes the SDK's model from our fetch. Out: a ModelResult or a ModelError.
// Owns: the translation of messages, parts and failures. Never: a second step, an executed tool, a retry. Loads `ai`:
// imported in the worker thread only, by a provider's module.
import { InvalidResponseDataError, jsonSchema, streamText, tool, wrapLanguageModel } from "ai";
import type {
  FinishReason,
  LanguageModelMiddleware,
  LanguageModelUsage,
  ModelMessage as SdkMessage,
  ToolSet,
} from "ai";
import { collectAnswer, parseJson } from "./answer.ts";
import { ModelError, cancelled } from "./port.ts";
import type { ModelMessage, ModelRequest, ModelResult, ModelStream, ToolSpec } from "./port.ts";
import { badResponse, brokenOff, isRecord, redact, streamError } from "./server-errors.ts";
import type { ModelServerFacts } from "./server-errors.ts";
import { openWire } from "./wire.ts";
import type { Wire, WireLimits } from "./wire.ts";

/** The SDK's provider model; its type is not exported by `ai` under a name. */
export type SdkModel = Parameters<typeof wrapLanguageModel>[0]["model"];

// The SDK prints advice to the console, which is the process's log.
Object.assign(globalThis, { AI_SDK_LOG_WARNINGS: false });

/** What the provider's stream really held; the SDK fills a missing end in by itself. */
interface Seen {
  parts: number;
  finished: boolean;
}

/** Runs one step. `makeModel` gets the watched fetch. Rejects with a ModelError. */
export async function runAiStep(
  request: ModelRequest,
  stream: ModelStream,
  server: ModelServerFacts,
  limits: WireLimits,
  makeModel: (fetch: Wire["fetch"]) => SdkModel,
): Promise<ModelResult> {
  const wire = openWire(server, stream.signal, limits);
  const seen: Seen = { parts: 0, finished: false };
  try {
    return await readStep(request, stream, server, wire, seen, makeModel);
  } catch (error) {
    throw toModelError(error, server, stream.signal, wire, seen);
  } finally {
    wire.close();
  }
}

async function readStep(
  request: ModelRequest,
  stream: ModelStream,
  server: ModelServerFacts,
  wire: Wire,
  seen: Seen,
  makeModel: (fetch: Wire["fetch"]) => SdkModel,
): Promise<ModelResult> {
  const answer = collectAnswer(server, (text) => stream.onText(text));
  const step = streamText({
    model: wrapLanguageModel({
      model: makeModel((input, init) => wire.fetch(input, init)),
      middleware: watchEnd(seen),
    }),
    ...(request.system === "" ? {} : { system: request.system }),
    messages: toSdkMessages(request.messages),
    ...(request.tools.length === 0 ? {} : { tools: toSdkTools(request.tools) }),
    maxOutputTokens: request.maxOutputTokens,
    maxRetries: 0,
    abortSignal: wire.signal,
    // Without it the SDK prints the error, with the whole request, to the console.
    onError: () => {},
  });
  let usage: LanguageModelUsage | undefined;
  let finishReason: FinishReason = "other";
  for await (const part of step.fullStream) {
    if (part.type === "text-delta") answer.addText(part.text);
    else if (part.type === "tool-input-delta") answer.addArguments(part.delta);
    else if (part.type === "tool-call") answer.addCall(part.toolCallId, part.toolName, part.input);
    else if (part.type === "error") throw part.error;
    else if (part.type === "abort") throw wire.failure() ?? cancelled();
    else if (part.type === "finish-step") ({ usage, finishReason } = part);
  }
  if (!seen.finished) throw brokenOff(server);
  const toolCalls = answer.toolCalls(finishReason === "length");
  return {
    text: answer.text(),
    toolCalls,
    finishReason: toFinishReason(finishReason, toolCalls.length),
    usage: {
      inputTokens: usage?.inputTokens ?? 0,
      outputTokens: usage?.outputTokens ?? 0,
      cachedInputTokens: usage?.inputTokenDetails.cacheReadTokens ?? 0,
      reasoningTokens: usage?.outputTokenDetails.reasoningTokens ?? 0,
    },
    rawUsage: usage?.raw ?? null,
  };
}

/** Notes whether the provider itself ended the answer: the SDK closes a cut stream with an invented finish. */
function watchEnd(seen: Seen): LanguageModelMiddleware {
  return {
    specificationVersion: "v3",
    wrapStream: async ({ doStream }) => {
      const result = await doStream();
      const watched = result.stream.pipeThrough(
        new TransformStream({
          transform(part, out) {
            if (part.type === "finish") seen.finished = true;
            else if (part.type !== "stream-start" && part.type !== "error") seen.parts += 1;
            out.enqueue(part);
          },
        }),
      );
      return { ...result, stream: watched };
    },
  };
}

/** Compatible servers say `stop` beside tool calls; what counts is that there are calls. */
function toFinishReason(reason: FinishReason, calls: number): ModelResult["finishReason"] {
  if (calls > 0) return "tool-calls";
  return reason === "stop" || reason === "length" ? reason : "other";
}

function toSdkTools(tools: ToolSpec[]): ToolSet {
  return Object.fromEntries(
    tools.map(({ name, description, parameters }) => [
      name,
      tool({ description, inputSchema: jsonSchema<Record<string, unknown>>(parameters) }),
    ]),
  );
}

function toSdkMessages(messages: ModelMessage[]): SdkMessage[] {
  return messages.flatMap((message): SdkMessage[] => {
    switch (message.role) {
      case "user":
        return [{ role: "user", content: message.text }];
      case "assistant": {
        const calls = message.toolCalls.map((call) => ({
          type: "tool-call" as const,
          toolCallId: wireCallId(call.callId),
          toolName: call.name,
          input: call.arguments,
        }));
        // Anthropic refuses an empty text block, and a message without any block.
        const text = message.text === "" ? [] : [{ type: "text" as const, text: message.text }];
        return text.length + calls.length === 0 ? [] : [{ role: "assistant", content: [...text, ...calls] }];
      }
      case "tool": {
        const output = { type: message.isError ? ("error-text" as const) : ("text" as const), value: message.text };
        const toolCallId = wireCallId(message.callId);
        return [
          { role: "tool", content: [{ type: "tool-result" as const, toolCallId, toolName: message.name, output }] },
        ];
      }
    }
  });
}

/** A chat may change its provider, and each takes foreign ids only within the narrowest alphabet, Anthropic's. */
function wireCallId(callId: string): string {
  return callId.replace(/[^A-Za-z0-9_-]/g, "_");
}

function toModelError(
  error: unknown,
  server: ModelServerFacts,
  signal: AbortSignal,
  wire: Wire,
  seen: Seen,
): ModelError {
  if (signal.aborted) return cancelled();
  const failure = wire.failure();
  if (failure) return failure;
  if (error instanceof ModelError) return error;
  const name = error instanceof Error ? error.name : "";
  const { requests, bytes } = wire.counts();
  if (requests === 0) {
    const why = error instanceof Error ? redact(error.message, server.apiKey).slice(0, 200) : "unknown reason";
    return new ModelError("MODEL_BAD_REQUEST", `The request could not be built (${name}): ${why}`);
  }
  const sent = sentError(error);
  if (sent) return streamError(sent, server);
  if (bytes === 0) return brokenOff(server);
  // The SDK reports a missing finish reason as invalid data without any data.
  const missingEnd = InvalidResponseDataError.isInstance(error) && error.data === undefined;
  if (missingEnd && seen.parts > 0) return brokenOff(server);
  return badResponse(server, seen.parts === 0 ? "it is no model's stream; check the base URL" : "a part is unreadable");
}

/** The error object that the server sent inside its stream; the SDK wraps it when it comes first. */
function sentError(error: unknown): Record<string, unknown> | undefined {
  if (isRecord(error) && !(error instanceof Error)) return error;
  if (!(error instanceof Error) || !("responseBody" in error) || typeof error.responseBody !== "string")
    return undefined;
  try {
    const body = parseJson(error.responseBody);
    // A parse error of the SDK's own is wrapped the same way; it has a name and no type.
    return isRecord(body) && typeof body["type"] === "string" ? body : undefined;
  } catch {
    return undefined;
  }
}
