// The demo model: needs no key and no network, and says what it is.
// In: a ModelRequest `demo` or `demo:<option>`. Out: a ModelResult, streamed word by word.
// Owns: the pace and the failures on demand. Never: a clock, a random number: the same request gives the same answer.
//
// demo            about 15 ms a word
// demo:fast       no delay
// demo:slow       about 150 ms a word and at least 40 words, to watch or to interrupt
// demo:fail-<x>   fails: 401, 429, 500, garbage, broken (after some words) or timeout. A message that is
//                 nothing but "fail <x>" does the same for one turn, with any of the models above.
import { setImmediate as nextTick, setTimeout as delay } from "node:timers/promises";
import { nextStep } from "./demo-rules.ts";
import { ModelError, cancelled } from "./port.ts";
import type { Model, ModelRequest, ModelResult, ModelStream } from "./port.ts";
import { parseModel } from "./select.ts";

const FAILURES = ["401", "429", "500", "garbage", "broken", "timeout"] as const;
type Failure = (typeof FAILURES)[number];

const SLOW_WORDS = 40;
const FILLER = "I speak slowly on purpose, so that you can watch every single word of this answer arrive.";

interface Behaviour {
  chunkDelayMs: number;
  slow: boolean;
  failure?: Failure;
}

/** A Model that follows simple rules (`demo-rules.ts`). Usage counts words. */
export function createDemoModel(): Model {
  return {
    async run(request, stream) {
      const { id } = parseModel(request.model);
      const behaviour = readBehaviour(id);
      const failure = behaviour.failure ?? readFailure(/^fail (\w+)$/i.exec(lastUserText(request))?.[1]);
      if (failure !== undefined) return fail(failure, stream);
      const step = nextStep(request);
      const text = behaviour.slow ? padded(step.text, step.toolCalls.length > 0) : step.text;
      await speak(text, behaviour.chunkDelayMs, stream);
      const inputTexts = [request.system, ...request.messages.map((message) => message.text)];
      const result: ModelResult = {
        text,
        toolCalls: step.toolCalls,
        finishReason: step.toolCalls.length > 0 ? "tool-calls" : "stop",
        usage: {
          inputTokens: inputTexts.reduce((sum, input) => sum + countWords(input), 0),
          outputTokens: countWords(text),
          cachedInputTokens: 0,
          reasoningTokens: 0,
        },
        rawUsage: { unit: "words" },
      };
      return result;
    },
  };
}

function readBehaviour(id: string): Behaviour {
  if (id === "") return { chunkDelayMs: 15, slow: false };
  if (id === "fast") return { chunkDelayMs: 0, slow: false };
  if (id === "slow") return { chunkDelayMs: 150, slow: true };
  const failure = id.startsWith("fail-") ? readFailure(id.slice("fail-".length)) : undefined;
  if (failure !== undefined) return { chunkDelayMs: 0, slow: false, failure };
  throw new ModelError(
    "MODEL_UNKNOWN",
    `There is no demo model "${id}". Write demo, demo:fast, demo:slow or demo:fail-<${FAILURES.join("|")}>.`,
  );
}

function readFailure(word: string | undefined): Failure | undefined {
  return FAILURES.find((failure) => failure === word?.toLowerCase());
}

function lastUserText(request: ModelRequest): string {
  return request.messages.findLast((message) => message.role === "user")?.text.trim() ?? "";
}

async function fail(failure: Failure, stream: ModelStream): Promise<never> {
  switch (failure) {
    case "401":
      throw new ModelError("MODEL_AUTH", "The demo model refused the API key (401), as asked.", { status: 401 });
    case "429":
      throw new ModelError("MODEL_RATE_LIMITED", "The demo model limits the rate (429), as asked.", {
        status: 429,
        retryAfterMs: 100,
      });
    case "500":
      throw new ModelError("MODEL_SERVER_ERROR", "The demo model failed (500), as asked.", { status: 500 });
    case "garbage":
      throw new ModelError("MODEL_BAD_RESPONSE", "The demo model sent garbage, as asked.");
    case "timeout":
      throw new ModelError("MODEL_TIMEOUT", "The demo model went silent, as asked.");
    case "broken":
      await speak("This answer will be broken ", 0, stream);
      throw new ModelError("MODEL_BROKEN_OFF", "The demo model broke off before the end of its answer, as asked.");
  }
}

/** Streams `text` a word at a time. */
async function speak(text: string, chunkDelayMs: number, stream: ModelStream): Promise<void> {
  for (const word of text.match(/\S+\s*/g) ?? []) {
    if (stream.signal.aborted) throw cancelled();
    stream.onText(word);
    // Even without a delay each word is a chunk of its own, as from a fast model.
    if (chunkDelayMs === 0) await nextTick();
    else await delay(chunkDelayMs, undefined, { signal: stream.signal }).catch(() => {});
  }
  if (stream.signal.aborted) throw cancelled();
}

function padded(text: string, beforeTool: boolean): string {
  if (beforeTool) return "One moment, I ask a tool.";
  let long = text;
  while (countWords(long) < SLOW_WORDS) long = `${long} ${FILLER}`.trimStart();
  return long;
}

function countWords(text: string): number {
  return text.match(/\S+/g)?.length ?? 0;
}
