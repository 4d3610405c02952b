import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createDemoModel } from "./demo.ts";
import { ModelError } from "./port.ts";
import type { ModelMessage, ModelRequest, ModelResult, ToolSpec } from "./port.ts";

const text = { type: "object", properties: { text: { type: "string" } } };
const TOOLS: ToolSpec[] = [
  { name: "time", description: "", parameters: { type: "object", properties: {} } },
  { name: "echo", description: "", parameters: text },
  {
    name: "remember",
    description: "",
    parameters: { type: "object", properties: { n: {}, note: { type: "string" } } },
  },
  { name: "recall", description: "", parameters: { type: "object" } },
];
const model = createDemoModel();

function request(messages: ModelMessage[], more: Partial<ModelRequest> = {}): ModelRequest {
  return { model: "demo:fast", system: "", messages, tools: TOOLS, maxOutputTokens: 100, ...more };
}

async function run(question: ModelRequest): Promise<ModelResult & { chunks: string[] }> {
  const chunks: string[] = [];
  const result = await model.run(question, {
    onText: (chunk) => void chunks.push(chunk),
    signal: new AbortController().signal,
  });
  return { ...result, chunks };
}

const say = (said: string, more: Partial<ModelRequest> = {}) => run(request([{ role: "user", text: said }], more));

/** Plays a whole turn with tools that answer `<name> done`, and returns the calls and the last text. */
async function turn(said: string): Promise<{ calls: { id: string; name: string; args: unknown }[]; text: string }> {
  const messages: ModelMessage[] = [{ role: "user", text: said }];
  const calls: { id: string; name: string; args: unknown }[] = [];
  for (let step = 0; step < 10; step++) {
    const answer = await run(request(messages));
    if (answer.toolCalls.length === 0) return { calls, text: answer.text };
    messages.push({ role: "assistant", text: answer.text, toolCalls: answer.toolCalls });
    for (const { callId, name, arguments: args } of answer.toolCalls) {
      calls.push({ id: callId, name, args });
      messages.push({ role: "tool", callId, name, text: `${name} done`, isError: false });
    }
  }
  return assert.fail("the turn does not end");
}

void describe("the demo model", () => {
  void test("says what it is when greeted and when it does not understand", async () => {
    for (const said of ["hello", "Hi!", "explain monads"])
      assert.match((await say(said)).text, /I am Taffrail's demo model: simple rules, no AI/, said);
  });

  void test("streams a word at a time, and the words are the text", async () => {
    const { chunks, text: whole } = await say("count to 30");
    assert.equal(chunks.length, 30);
    assert.equal(chunks.join(""), whole);
  });

  void test("gives the same answer to the same request", async () => {
    assert.deepEqual(await say("remember milk"), await say("remember milk"));
  });

  void test("asks for the tool that fits, with its schema's own parameter", async () => {
    const cases: [string, string, Record<string, unknown>][] = [
      ["What time is it?", "time", {}],
      ["echo Hällo, World!", "echo", { text: "Hällo, World" }],
      ["remember that milk is out", "remember", { note: "milk is out" }],
      ["note: buy bread", "remember", { note: "buy bread" }],
      ["what do you remember?", "recall", {}],
      ["notes", "recall", {}],
    ];
    for (const [said, name, args] of cases) {
      const { toolCalls, finishReason } = await say(said);
      assert.deepEqual(toolCalls, [{ callId: "call_1", name, arguments: args }], said);
      assert.equal(finishReason, "tool-calls");
    }
  });

  void test("makes one step of each tool and answers with what they said", async () => {
    const { calls, text: last } = await turn("time then echo hi then remember a then b");
    assert.deepEqual(calls, [
      { id: "call_1", name: "time", args: {} },
      { id: "call_2", name: "echo", args: { text: "hi" } },
      { id: "call_3", name: "remember", args: { note: "a then b" } },
    ]);
    assert.equal(last, "It is time done. echo done remember done");
  });

  void test("takes up what was said while its tools ran, and begins anew in the next turn", async () => {
    const messages: ModelMessage[] = [
      { role: "user", text: "time" },
      { role: "assistant", text: "", toolCalls: [{ callId: "call_1", name: "time", arguments: {} }] },
      { role: "tool", callId: "call_1", name: "time", text: "noon", isError: false },
      { role: "user", text: "echo too" },
    ];
    const steered = await run(request(messages));
    assert.deepEqual(steered.toolCalls, [{ callId: "call_2", name: "echo", arguments: { text: "too" } }]);
    const next = await run(
      request([
        ...messages,
        { role: "assistant", text: "It is noon.", toolCalls: [] },
        { role: "user", text: "hello" },
      ]),
    );
    assert.match(next.text, /^Hello!/);
  });

  void test("tells when a tool failed, and never asks for one that it was not given", async () => {
    const failed = await run(
      request([
        { role: "user", text: "time" },
        { role: "assistant", text: "", toolCalls: [{ callId: "call_1", name: "time", arguments: {} }] },
        { role: "tool", callId: "call_1", name: "time", text: "no clock", isError: true },
      ]),
    );
    assert.match(failed.text, /"time" failed: no clock/);
    const without = await say("what time is it", { tools: [] });
    assert.deepEqual(without.toolCalls, []);
    assert.match(without.text, /not given/);
  });

  void test("counts words as usage", async () => {
    const { usage } = await say("count to 7", { system: "two words" });
    assert.deepEqual(usage, { inputTokens: 5, outputTokens: 7, cachedInputTokens: 0, reasoningTokens: 0 });
  });

  void test("fails as asked, by its id or by the message", async () => {
    const codes = {
      401: "MODEL_AUTH",
      429: "MODEL_RATE_LIMITED",
      500: "MODEL_SERVER_ERROR",
      garbage: "MODEL_BAD_RESPONSE",
      broken: "MODEL_BROKEN_OFF",
      timeout: "MODEL_TIMEOUT",
    };
    for (const [how, code] of Object.entries(codes)) {
      await assert.rejects(say("hello", { model: `demo:fail-${how}` }), { name: "ModelError", code });
      await assert.rejects(say(`fail ${how}`), { name: "ModelError", code });
    }
    await assert.rejects(say("hello", { model: "demo:nonsense" }), { code: "MODEL_UNKNOWN" });
  });

  void test("has at least 40 words to say when it is slow, and stops at once when it is cancelled", async () => {
    const abort = new AbortController();
    const words: string[] = [];
    const slow = model.run(request([{ role: "user", text: "hello" }], { model: "demo:slow" }), {
      onText(word) {
        words.push(word);
        if (words.length === 3) abort.abort();
      },
      signal: abort.signal,
    });
    await assert.rejects(slow, (error) => error instanceof ModelError && error.code === "MODEL_CANCELLED");
    assert.equal(words.length, 3);
  });
});
