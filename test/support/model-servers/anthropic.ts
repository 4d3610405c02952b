// Anthropic's Messages API on the wire: POST …/messages, server-sent events.
import type { Script, ScriptedCall, WireFormat } from "./script.ts";

function event(type: string, data: Record<string, unknown>): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`;
}

/** Arguments in three pieces, as the API streams them. */
function inPieces(json: string): string[] {
  const third = Math.ceil(json.length / 3);
  return [json.slice(0, third), json.slice(third, 2 * third), json.slice(2 * third)].filter((piece) => piece !== "");
}

function textBlock(index: number, text: string[]): string[] {
  return [
    event("content_block_start", { index, content_block: { type: "text", text: "" } }),
    event("ping", {}),
    ...text.map((piece) => event("content_block_delta", { index, delta: { type: "text_delta", text: piece } })),
    event("content_block_stop", { index }),
  ];
}

function callBlock(index: number, call: ScriptedCall): string[] {
  return [
    event("content_block_start", {
      index,
      content_block: { type: "tool_use", id: call.id, name: call.name, input: {} },
    }),
    ...inPieces(call.json).map((piece) =>
      event("content_block_delta", { index, delta: { type: "input_json_delta", partial_json: piece } }),
    ),
    event("content_block_stop", { index }),
  ];
}

function frames(script: Script): string[] {
  const text = script.text ?? [];
  const calls = script.calls ?? [];
  const usage = script.usage ?? { input: 1, output: 1 };
  const stop = script.cutOff ? "max_tokens" : calls.length > 0 ? "tool_use" : "end_turn";
  return [
    event("message_start", {
      message: {
        id: "msg_1",
        type: "message",
        role: "assistant",
        model: "scripted",
        content: [],
        stop_reason: null,
        stop_sequence: null,
        usage: { input_tokens: usage.input, cache_read_input_tokens: usage.cached ?? 0, output_tokens: 1 },
      },
    }),
    ...(text.length > 0 ? textBlock(0, text) : []),
    ...calls.flatMap((call, index) => callBlock(index + (text.length > 0 ? 1 : 0), call)),
    event("message_delta", {
      delta: { stop_reason: stop, stop_sequence: null },
      usage: { output_tokens: usage.output },
    }),
    event("message_stop", {}),
  ];
}

/** The format for `startModelServer`; the client's base URL is `<origin>/v1`. */
export const anthropicFormat: WireFormat = {
  contentType: "text/event-stream; charset=utf-8",
  asksForAnswer: (method, path) => method === "POST" && path.endsWith("/v1/messages"),
  other: () => ({ status: 404, body: "{}" }),
  frames,
  errorBody: (status, message) =>
    JSON.stringify({ type: "error", error: { type: status === 529 ? "overloaded_error" : "api_error", message } }),
  errorFrame: event("error", { error: { type: "overloaded_error", message: "Overloaded" } }),
  brokenFrame: 'event: content_block_delta\ndata: {"type":"content_block_de\n\n',
};
