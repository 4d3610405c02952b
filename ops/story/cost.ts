/** What model steps cost, by the prices of the configuration. Pure. */
import type { DataOf } from "../../schemas/index.ts";

export type Usage = DataOf["ModelStepCompleted"]["usage"];

/** US dollars per million tokens. `cachedInput` of input tokens the provider had in its cache; absent: as `input`. */
export interface Price {
  readonly input: number;
  readonly output: number;
  readonly cachedInput?: number;
}

/** By the model's name as the log has it, such as `anthropic:<id>`. */
export type Prices = Readonly<Record<string, Price>>;

export interface Spent {
  steps: number;
  inputTokens: number;
  /** Part of `inputTokens`. */
  cachedInputTokens: number;
  outputTokens: number;
  /** Part of `outputTokens`. */
  reasoningTokens: number;
  /** US dollars of the steps whose model has a price. */
  dollars: number;
  /** Steps of models without a price. */
  unpricedSteps: number;
}

export function nothingSpent(): Spent {
  return {
    steps: 0,
    inputTokens: 0,
    cachedInputTokens: 0,
    outputTokens: 0,
    reasoningTokens: 0,
    dollars: 0,
    unpricedSteps: 0,
  };
}

/** US dollars of one step; undefined when its model has no price. The demo model is a part of Taffrail and free. */
export function dollarsOf(model: string, usage: Usage, prices: Prices): number | undefined {
  if (/^demo(:|$)/.test(model)) return 0;
  const price = Object.hasOwn(prices, model) ? prices[model] : undefined;
  if (price === undefined) return undefined;
  const cached = Math.min(usage.cachedInputTokens, usage.inputTokens);
  const input = (usage.inputTokens - cached) * price.input + cached * (price.cachedInput ?? price.input);
  return (input + usage.outputTokens * price.output) / 1_000_000;
}

export function spend(spent: Spent, model: string, usage: Usage, prices: Prices): void {
  const dollars = dollarsOf(model, usage, prices);
  spent.steps++;
  spent.inputTokens += usage.inputTokens;
  spent.cachedInputTokens += usage.cachedInputTokens;
  spent.outputTokens += usage.outputTokens;
  spent.reasoningTokens += usage.reasoningTokens;
  if (dollars === undefined) spent.unpricedSteps++;
  else spent.dollars += dollars;
}

/** `$0.0021`: two digits behind the point for dollars, four significant ones below a cent. */
export function dollarsText(dollars: number): string {
  if (dollars === 0) return "$0";
  return dollars >= 0.01
    ? `$${dollars.toFixed(2)}`
    : `$${Number(dollars.toPrecision(2)).toFixed(6).replace(/0+$/, "")}`;
}

/** `free`, `cost $0.12`, `cost not known`, `cost $0.12 and what 2 steps cost whose model has no price`. */
export function costText({ steps, dollars, unpricedSteps }: Spent): string {
  if (steps === 0 || unpricedSteps === steps) return "cost not known";
  if (unpricedSteps > 0) return `cost ${dollarsText(dollars)}, not known of ${unpricedSteps} of ${steps} steps`;
  return dollars === 0 ? "free" : `cost ${dollarsText(dollars)}`;
}
