// OpenAI's chat completions API on the wire: POST …/chat/completions, server-sent events.
import type { Script, ScriptedCall, WireFormat } from "./script.ts";

function chunk(choices: unknown[], more: Record<string, unknown> = {}): string {
  const data = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1, model: "scripted", choices, ...more };
  return `data: ${JSON.stringify(data)}\n\n`;
}

function delta(content: Record<string, unknown>): string {
  return chunk([{ index: 0, delta: content, finish_reason: null }]);
}

/** The name in the first piece, the arguments in three more. */
function callDeltas(index: number, { id, name, json }: ScriptedCall): string[] {
  const third = Math.ceil(json.length / 3);
  const pieces = [json.slice(0, third), json.slice(third, 2 * third), json.slice(2 * third)];
  return [
    delta({ tool_calls: [{ index, id, type: "function", function: { name, arguments: "" } }] }),
    ...pieces.map((piece) => delta({ tool_calls: [{ index, function: { arguments: piece } }] })),
  ];
}

function frames(script: Script): string[] {
  const calls = script.calls ?? [];
  const usage = script.usage ?? { input: 1, output: 1 };
  const finish = script.cutOff ? "length" : calls.length > 0 ? "tool_calls" : "stop";
  return [
    delta({ role: "assistant", content: "" }),
    ...(script.text ?? []).map((piece) => delta({ content: piece })),
    ...calls.flatMap((call, index) => callDeltas(index, call)),
    chunk([{ index: 0, delta: {}, finish_reason: finish }]),
    chunk([], {
      usage: {
        prompt_tokens: usage.input,
        completion_tokens: usage.output,
        total_tokens: usage.input + usage.output,
        prompt_tokens_details: { cached_tokens: usage.cached ?? 0 },
      },
    }),
    "data: [DONE]\n\n",
  ];
}

/** The format for `startModelServer`; the client's base URL is `<origin>` with any prefix. */
export const openAiFormat: WireFormat = {
  contentType: "text/event-stream",
  asksForAnswer: (method, path) => method === "POST" && path.endsWith("/chat/completions"),
  other: () => ({ status: 404, body: "{}" }),
  frames,
  errorBody: (status, message) =>
    JSON.stringify({ error: { message, type: "error", code: status === 402 ? "insufficient_quota" : null } }),
  errorFrame: `data: ${JSON.stringify({ error: { message: "Overloaded", type: "server_error", code: null } })}\n\n`,
  brokenFrame: 'data: {"choices":[{"del\n\n',
};
