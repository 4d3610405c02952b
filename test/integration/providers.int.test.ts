// Each provider against a server of its own wire format, through the pool and its real threads.
import assert from "node:assert/strict";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { MAX_ARGUMENTS_BYTES, MAX_TEXT_BYTES, MAX_TOOL_CALLS } from "../../services/agent-runner/model/answer.ts";
import { createModelPool } from "../../services/agent-runner/model/pool.ts";
import type { ModelPool } from "../../services/agent-runner/model/pool.ts";
import { ModelError } from "../../services/agent-runner/model/port.ts";
import type {
  ModelEndpoint,
  ModelErrorCode,
  ModelMessage,
  ModelRequest,
  ModelResult,
} from "../../services/agent-runner/model/port.ts";
import {
  anthropicFormat,
  ollamaFormat,
  openAiFormat,
  sourceWorkerFile,
  startModelServer,
} from "../support/model-servers/index.ts";
import type { Fault, ModelServer, Script, WireFormat } from "../support/model-servers/index.ts";

const KEY = "sk-secret-0123456789abcdef";
const TOOLS = [
  {
    name: "echo",
    description: "Says it again",
    parameters: { type: "object", properties: { text: { type: "string" } }, required: ["text"] },
  },
  { name: "time", description: "The time", parameters: { type: "object", properties: {} } },
];
const CONVERSATION: ModelMessage[] = [
  { role: "user", text: "echo and time" },
  {
    role: "assistant",
    text: "Both:",
    toolCalls: [
      { callId: "call_1", name: "echo", arguments: { text: "hü" } },
      { callId: "odd id!", name: "time", arguments: {} },
    ],
  },
  { role: "tool", callId: "call_1", name: "echo", text: "hü", isError: false },
  { role: "tool", callId: "odd id!", name: "time", text: "no clock", isError: true },
];

interface Provider {
  name: string;
  model: string;
  format: WireFormat;
  prefix: string;
  /** Where the key travels. */
  key: [header: string, value: string];
  callIds: string[];
  cached: number;
  /** What `CONVERSATION` looks like in this format, after the system text. */
  conversation: unknown;
}

const PROVIDERS: Provider[] = [
  {
    name: "anthropic",
    model: "anthropic:claude-scripted",
    format: anthropicFormat,
    prefix: "/v1",
    key: ["x-api-key", KEY],
    callIds: ["id_a", "id_b"],
    cached: 5,
    conversation: [
      { role: "user", content: [{ type: "text", text: "echo and time" }] },
      {
        role: "assistant",
        content: [
          { type: "text", text: "Both:" },
          { type: "tool_use", id: "call_1", name: "echo", input: { text: "hü" } },
          { type: "tool_use", id: "odd_id_", name: "time", input: {} },
        ],
      },
      {
        role: "user",
        content: [
          { type: "tool_result", tool_use_id: "call_1", content: "hü" },
          { type: "tool_result", tool_use_id: "odd_id_", content: "no clock", is_error: true },
        ],
      },
    ],
  },
  {
    name: "openai",
    model: "openai:gpt-scripted",
    format: openAiFormat,
    prefix: "/any/prefix/v1",
    key: ["authorization", `Bearer ${KEY}`],
    callIds: ["id_a", "id_b"],
    cached: 5,
    conversation: [
      { role: "user", content: "echo and time" },
      {
        role: "assistant",
        content: "Both:",
        tool_calls: [
          { id: "call_1", type: "function", function: { name: "echo", arguments: '{"text":"hü"}' } },
          { id: "odd_id_", type: "function", function: { name: "time", arguments: "{}" } },
        ],
      },
      { role: "tool", tool_call_id: "call_1", content: "hü" },
      { role: "tool", tool_call_id: "odd_id_", content: "no clock" },
    ],
  },
  {
    name: "ollama",
    model: "ollama:scripted:1b",
    format: ollamaFormat,
    prefix: "",
    key: ["authorization", `Bearer ${KEY}`],
    callIds: ["call_1", "call_2"],
    cached: 0,
    conversation: [
      { role: "user", content: "echo and time" },
      {
        role: "assistant",
        content: "Both:",
        tool_calls: [
          { function: { name: "echo", arguments: { text: "hü" } } },
          { function: { name: "time", arguments: {} } },
        ],
      },
      { role: "tool", tool_name: "echo", content: "hü" },
      { role: "tool", tool_name: "time", content: "Error: no clock" },
    ],
  },
];

// Set by each test before its calls; the pool asks for it at every call.
let endpoint: ModelEndpoint = {};
let pool: ModelPool;
before(() => {
  pool = createModelPool({ workerFile: sourceWorkerFile, endpointFor: () => endpoint });
});
after(() => pool.close());

function request(model: string, more: Partial<ModelRequest> = {}): ModelRequest {
  return {
    model,
    system: "Be brief.",
    messages: [{ role: "user", text: "hello" }],
    tools: TOOLS,
    maxOutputTokens: 500,
    ...more,
  };
}

async function ask(question: ModelRequest, signal = new AbortController().signal, onChunk = () => {}) {
  const chunks: string[] = [];
  const onText = (text: string) => {
    chunks.push(text);
    onChunk();
  };
  const result: ModelResult = await pool.run(question, { onText, signal });
  assert.equal(chunks.join(""), result.text, "the streamed pieces are the text");
  return { result, chunks };
}

async function failureOf(question: ModelRequest, signal?: AbortSignal): Promise<ModelError> {
  const error = await ask(question, signal).then(
    ({ result }) => assert.fail(`answered ${JSON.stringify(result)}`),
    (reason: unknown) => reason,
  );
  assert(error instanceof ModelError, String(error));
  for (const text of [error.message, JSON.stringify(error.toPlain()), String(error.stack)])
    assert(!text.includes(KEY) && !text.includes(KEY.slice(0, 10)), `the key is in: ${text}`);
  return error;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const status = (code: number, headers?: Record<string, string>): Fault => ({
  kind: "status",
  status: code,
  echo: `wrong key ${KEY} or ${KEY.slice(0, 12)}…`,
  ...(headers === undefined ? {} : { headers }),
});

const FAULTS: { what: string; fault: Fault; code: ModelErrorCode; retryable: boolean; retryAfterMs?: number }[] = [
  { what: "401", fault: status(401), code: "MODEL_AUTH", retryable: false },
  { what: "403", fault: status(403), code: "MODEL_AUTH", retryable: false },
  { what: "400", fault: status(400), code: "MODEL_BAD_REQUEST", retryable: false },
  { what: "404", fault: status(404), code: "MODEL_UNKNOWN", retryable: false },
  { what: "429", fault: status(429), code: "MODEL_RATE_LIMITED", retryable: true },
  {
    what: "429 with retry-after",
    fault: status(429, { "retry-after": "7" }),
    code: "MODEL_RATE_LIMITED",
    retryable: true,
    retryAfterMs: 7000,
  },
  { what: "500", fault: status(500), code: "MODEL_SERVER_ERROR", retryable: true },
  { what: "529", fault: status(529), code: "MODEL_SERVER_ERROR", retryable: true },
  {
    what: "a redirect",
    fault: status(307, { location: "http://127.0.0.1:1/stolen" }),
    code: "MODEL_BAD_REQUEST",
    retryable: false,
  },
  { what: "a web page", fault: { kind: "html" }, code: "MODEL_BAD_RESPONSE", retryable: true },
  { what: "garbage", fault: { kind: "garbage" }, code: "MODEL_BAD_RESPONSE", retryable: true },
  { what: "garbage mid-stream", fault: { kind: "garbage-mid" }, code: "MODEL_BAD_RESPONSE", retryable: true },
  { what: "a destroyed socket", fault: { kind: "broken-mid" }, code: "MODEL_BROKEN_OFF", retryable: true },
  { what: "an end without the format's", fault: { kind: "ended-mid" }, code: "MODEL_BROKEN_OFF", retryable: true },
  { what: "an error frame", fault: { kind: "error-mid" }, code: "MODEL_SERVER_ERROR", retryable: true },
  { what: "no byte at all", fault: { kind: "hang" }, code: "MODEL_TIMEOUT", retryable: true },
  { what: "silence mid-stream", fault: { kind: "hang-mid" }, code: "MODEL_TIMEOUT", retryable: true },
];

for (const provider of PROVIDERS)
  void describe(provider.name, () => {
    let server: ModelServer;
    const { model } = provider;
    const play = (...scripts: Script[]) => server.play(...scripts);
    before(async () => {
      server = await startModelServer(provider.format);
    });
    after(() => server.close());
    const reset = (more: ModelEndpoint = {}) => {
      endpoint = { baseUrl: `${server.origin}${provider.prefix}`, apiKey: KEY, ...more };
    };

    void test("streams a text in pieces and reports its usage", async () => {
      reset();
      const usage = { input: 11, output: 7, cached: 5 };
      const text = ["One ", "two ", "three ", "four ", "five ", "six ", "seven ", "eight."];
      const abort = new AbortController();
      let seen = () => {};
      // The server goes on only when the first half was seen: an answer that is not streamed never ends.
      play({ text, usage, pauseUntil: new Promise<void>((resolve) => (seen = resolve)) });
      const deadline = setTimeout(() => abort.abort(), 20_000);
      const { result, chunks } = await ask(request(model), abort.signal, () => seen());
      clearTimeout(deadline);
      assert.equal(result.text, text.join(""));
      assert(chunks.length > 1, "one chunk is no stream");
      assert.equal(result.finishReason, "stop");
      assert.deepEqual(result.toolCalls, []);
      // Anthropic counts cached tokens beside the others, OpenAI among them.
      const inputTokens = provider.name === "anthropic" ? 16 : 11;
      assert.deepEqual(result.usage, {
        inputTokens,
        outputTokens: 7,
        cachedInputTokens: provider.cached,
        reasoningTokens: 0,
      });
      assert.match(JSON.stringify(result.rawUsage), /11/, "the provider's own counts are kept");
    });

    void test("sends the key in its header, the system text, the tools and the output limit", async () => {
      reset();
      play({ text: ["ok"] });
      await ask(request(model));
      const question = server.questions.at(-1);
      const [header, value] = provider.key;
      assert.equal(question?.headers[header], value);
      const body = JSON.stringify(question?.body);
      for (const part of [
        "Be brief.",
        "Says it again",
        '"required":["text"]',
        "500",
        model.slice(model.indexOf(":") + 1),
      ])
        assert(body.includes(part), `${part} in ${body}`);
    });

    void test("joins characters that were cut between two writes", async () => {
      reset();
      const text = ["Grüße ", "🦊 ", "日本語", " ✓"];
      play({ text, splitUtf8: true });
      const { result, chunks } = await ask(request(model));
      assert.equal(result.text, text.join(""));
      assert(!chunks.some((chunk) => chunk.includes("\uFFFD")));
    });

    void test("collects several tool calls that arrive in pieces", async () => {
      reset();
      const calls = [
        { id: "id_a", name: "echo", json: '{"text":"zwölf Boxkämpfer, \\"jagen\\""}' },
        { id: "id_b", name: "time", json: "{}" },
      ];
      play({ text: ["Let me look."], calls, splitUtf8: true });
      const { result } = await ask(request(model));
      assert.equal(result.finishReason, "tool-calls");
      assert.equal(result.text, "Let me look.");
      assert.deepEqual(result.toolCalls, [
        { callId: provider.callIds[0], name: "echo", arguments: { text: 'zwölf Boxkämpfer, "jagen"' } },
        { callId: provider.callIds[1], name: "time", arguments: {} },
      ]);
    });

    void test("hands over a call of a tool that it was not given, for the caller to refuse", async () => {
      reset();
      play({ calls: [{ id: "id_a", name: "rm", json: '{"path":"/"}' }] });
      const { result } = await ask(request(model, { tools: [] }));
      assert.deepEqual(result.toolCalls, [{ callId: provider.callIds[0], name: "rm", arguments: { path: "/" } }]);
    });

    void test("sends tool results in the provider's own format", async () => {
      reset();
      play({ text: ["done"] });
      await ask(request(model, { messages: CONVERSATION, system: "" }));
      const body = server.questions.at(-1)?.body as { messages: unknown };
      assert.deepEqual(body.messages, provider.conversation);
    });

    void test("says when the output limit cut the answer", async () => {
      reset();
      play({ text: ["half an ans"], cutOff: true });
      const { result } = await ask(request(model));
      assert.equal(result.finishReason, "length");
    });

    for (const { what, fault, code, retryable, retryAfterMs } of FAULTS)
      void test(`makes ${code} of ${what}`, async () => {
        const hangs = fault.kind === "hang" || fault.kind === "hang-mid";
        reset(hangs ? { idleTimeoutMs: 250 } : {});
        const asked = server.questions.length;
        play({ text: ["One ", "two ", "three ", "four."], fault });
        const error = await failureOf(request(model));
        assert.equal(error.code, code, error.message);
        assert.equal(error.retryable, retryable);
        assert.equal(error.retryAfterMs, retryAfterMs);
        assert.equal(server.questions.length, asked + 1, "a retry is the caller's");
        if (hangs) assert.equal(await server.questions.at(-1)?.ended, "closed");
      });

    void test("waits for a slow stream longer than the time without a byte", async () => {
      reset({ idleTimeoutMs: 400 });
      play({ text: ["1 ", "2 ", "3 ", "4 ", "5 ", "6 ", "7 ", "8"], frameDelayMs: 80 });
      const { result } = await ask(request(model));
      assert.equal(result.text, "1 2 3 4 5 6 7 8");
    });

    void test("makes MODEL_BAD_RESPONSE of arguments that are no JSON object", async () => {
      reset();
      for (const json of ['{"text": "x', "[1]", '{"__proto__":{"admin":true}}']) {
        play({ calls: [{ id: "id_a", name: "echo", json }] });
        const error = await failureOf(request(model));
        assert.equal(error.code, "MODEL_BAD_RESPONSE", json);
        assert.equal(error.retryable, true);
      }
    });

    void test("refuses an answer over its bounds, and takes one just under them", async () => {
      reset();
      const kilo = "x".repeat(1024);
      const call = (id: number, json = "{}") => ({ id: `id_${id}`, name: "time", json });
      const calls = (count: number) => Array.from({ length: count }, (_, index) => call(index));
      const argument = (bytes: number) => JSON.stringify({ text: "x".repeat(bytes - '{"text":""}'.length) });
      const fits: Script[] = [
        { text: Array.from({ length: MAX_TEXT_BYTES / 1024 }, () => kilo) },
        { calls: calls(MAX_TOOL_CALLS) },
        { calls: [call(1, argument(MAX_ARGUMENTS_BYTES))] },
      ];
      const over: Script[] = [
        { text: [...Array.from({ length: MAX_TEXT_BYTES / 1024 }, () => kilo), "x"] },
        { calls: calls(MAX_TOOL_CALLS + 1) },
        { calls: [call(1, argument(MAX_ARGUMENTS_BYTES + 1))] },
      ];
      for (const script of fits) {
        play(script);
        await ask(request(model));
      }
      for (const script of over) {
        play(script);
        const error = await failureOf(request(model));
        assert.equal(error.code, "MODEL_BAD_RESPONSE");
        assert.equal(error.retryable, false, "the next one would be as long");
      }
    });

    void test("closes the connection when it is aborted mid-stream", async () => {
      reset();
      play({ text: ["One ", "two ", "three ", "four."], fault: { kind: "hang-mid" } });
      const abort = new AbortController();
      const chunks: string[] = [];
      const running = pool.run(request(model), {
        onText(text) {
          chunks.push(text);
          abort.abort();
        },
        signal: abort.signal,
      });
      await assert.rejects(running, { code: "MODEL_CANCELLED", retryable: false });
      assert.equal(await server.questions.at(-1)?.ended, "closed");
      assert.equal(chunks.length, 1, "nothing is told after the abort");
    });

    void test("makes MODEL_UNREACHABLE of a closed port and of a name that does not exist", async () => {
      for (const host of [`127.0.0.1:${await freePort()}`, "model.invalid"]) {
        reset({ baseUrl: `http://${host}${provider.prefix}` });
        const error = await failureOf(request(model));
        assert.equal(error.code, "MODEL_UNREACHABLE");
        assert(error.message.includes(host), error.message);
        if (provider.name === "ollama") assert.match(error.message, /ollama serve/);
      }
    });

    void test("refuses a key or a base URL that cannot be sent without repeating it", async () => {
      reset({ apiKey: `${KEY}\nx-evil: 1` });
      assert.equal((await failureOf(request(model))).code, "MODEL_AUTH");
      reset({ baseUrl: `http://me:${KEY}@127.0.0.1:1/v1` });
      assert.equal((await failureOf(request(model))).code, "MODEL_BAD_REQUEST");
      reset({ baseUrl: "not a url" });
      assert.equal((await failureOf(request(model))).code, "MODEL_BAD_REQUEST");
    });
  });

void test("anthropic without a key says so and asks nobody", async () => {
  endpoint = { baseUrl: "http://127.0.0.1:1/v1" };
  const error = await failureOf(request("anthropic:claude-scripted"));
  assert.equal(error.code, "MODEL_AUTH");
});

void test("openai without a key works at a server of one's own, and says so at OpenAI", async () => {
  const server = await startModelServer(openAiFormat);
  try {
    server.play({ text: ["local"] });
    endpoint = { baseUrl: server.origin };
    assert.equal((await ask(request("openai:local"))).result.text, "local");
    assert.equal(server.questions[0]?.headers["authorization"], undefined);
    endpoint = {};
    assert.equal((await failureOf(request("openai:gpt"))).code, "MODEL_AUTH");
  } finally {
    await server.close();
  }
});

void test("ollama names the command that fetches a missing model, and lists those it has", async () => {
  const server = await startModelServer(ollamaFormat);
  try {
    endpoint = { baseUrl: `${server.origin}/api/` };
    server.play({ fault: { kind: "status", status: 404, echo: "model 'x' not found" } });
    assert.match((await failureOf(request("ollama:x:1b"))).message, /`ollama pull x:1b`/);
    const { createOllamaModel } = await import("../../services/agent-runner/model/ollama.ts");
    assert.deepEqual(await createOllamaModel(endpoint).listModels(), ["llama3.2:1b", "qwen3:4b"]);
  } finally {
    await server.close();
  }
});
