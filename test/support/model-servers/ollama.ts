// Ollama's API on the wire: GET /api/version, GET /api/tags, POST /api/chat as NDJSON.
import type { Script, WireFormat } from "./script.ts";

function line(data: Record<string, unknown>): string {
  return `${JSON.stringify({ model: "scripted", created_at: "2026-01-01T00:00:00Z", ...data })}\n`;
}

function message(content: string, more: Record<string, unknown> = {}): string {
  return line({ message: { role: "assistant", content, ...more }, done: false });
}

function frames(script: Script): string[] {
  const usage = script.usage ?? { input: 1, output: 1 };
  return [
    ...(script.text ?? []).map((piece) => message(piece)),
    // Ollama sends a call whole; the arguments are an object unless a test broke them.
    ...(script.calls ?? []).map(({ name, json }) =>
      message("", { tool_calls: [{ function: { name, arguments: readOrKeep(json) } }] }),
    ),
    line({
      message: { role: "assistant", content: "" },
      done: true,
      done_reason: script.cutOff ? "length" : "stop",
      prompt_eval_count: usage.input,
      eval_count: usage.output,
    }),
  ];
}

function readOrKeep(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return json;
  }
}

/** The format for `startModelServer`; the client's base URL is `<origin>`. */
export const ollamaFormat: WireFormat = {
  contentType: "application/x-ndjson",
  asksForAnswer: (method, path) => method === "POST" && path === "/api/chat",
  other: (_method, path) =>
    path === "/api/version"
      ? { status: 200, body: '{"version":"0.9.9"}' }
      : path === "/api/tags"
        ? { status: 200, body: '{"models":[{"name":"qwen3:4b"},{"name":"llama3.2:1b"}]}' }
        : { status: 404, body: "{}" },
  frames,
  errorBody: (_status, text) => JSON.stringify({ error: text }),
  errorFrame: line({ error: "an error was encountered while running the model" }),
  brokenFrame: '{"message":{"role":"assis\n',
};
