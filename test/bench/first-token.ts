/** First token: what Taffrail adds between a person's message and the first word, over the bare model called directly. */
import { createDemoModel } from "../../services/agent-runner/model/demo.ts";
import { figure, quantile, type Aim, type ScenarioResult } from "./figures.ts";
import { openPages } from "./pages.ts";
import { startProduct } from "./product.ts";
import type { System } from "../support/system.ts";

/** The same model without anything around it; milliseconds to its first word. */
async function bareFirstTokenMs(): Promise<number> {
  const startedMs = performance.now();
  let firstMs: number | undefined;
  const request = {
    model: "demo:fast",
    system: "",
    messages: [{ role: "user" as const, text: "hello" }],
    tools: [],
    maxOutputTokens: 4096,
  };
  await createDemoModel().run(request, {
    onText: () => (firstMs ??= performance.now() - startedMs),
    signal: new AbortController().signal,
  });
  return firstMs ?? Number.NaN;
}

export interface FirstTokenOptions {
  /** One message after the other, so that no chat waits for another. */
  readonly chats: number;
  readonly perChat: number;
  readonly warmUp: number;
  readonly rounds: number;
}

/** First-token times above the bare model of each round, milliseconds. */
export async function sampleFirstTokens(system: System, options: FirstTokenOptions): Promise<number[][]> {
  const chats = Array.from({ length: options.chats }, (_, index) => `first-${index}`);
  const pages = await openPages(system, chats);
  try {
    for (let turn = 0; turn < options.warmUp; turn++) await pages.ask(chats[turn % chats.length] ?? "", "hello");
    const rounds: number[][] = [];
    for (let round = 0; round < options.rounds; round++) {
      const times: number[] = [];
      for (let turn = 0; turn < options.perChat; turn++) {
        for (const chat of chats) {
          const bareMs = await bareFirstTokenMs();
          times.push((await pages.ask(chat, "hello")).firstTokenMs - bareMs);
        }
      }
      rounds.push(times);
    }
    return rounds;
  } finally {
    pages.close();
  }
}

/** p50 and p95 of each round. */
export function firstTokenFigures(
  rounds: readonly number[][],
  aims: { p50?: Aim; p95?: Aim },
): ReturnType<typeof figure>[] {
  const of = (part: number): number[] => rounds.map((times) => quantile(times, part));
  return [
    figure("first token over bare model, p50", "ms", of(0.5), aims.p50),
    figure("first token over bare model, p95", "ms", of(0.95), aims.p95),
  ];
}

export async function firstToken(options: FirstTokenOptions): Promise<ScenarioResult> {
  const product = await startProduct();
  try {
    const rounds = await sampleFirstTokens(product.system, options);
    return {
      scenario: "first token",
      figures: firstTokenFigures(rounds, { p50: { atMost: 10 }, p95: { atMost: 25 } }),
      notes: [`${options.chats} chats, ${options.chats * options.perChat} messages a round, one at a time.`],
    };
  } finally {
    await product.stop();
  }
}
