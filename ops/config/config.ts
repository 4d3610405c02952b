/** The configuration as the code sees it: taffrail.yaml, the environment over it, defaults below. Frozen. */
import type { ErrorCode } from "../../bus/errors.ts";

export interface Config {
  /** State folder, absolute. */
  readonly home: string;
  /** Port of the page on 127.0.0.1; 0 takes any free one. */
  readonly port: number;
  readonly model: { readonly use: string; readonly baseUrl?: string; readonly apiKey?: string };
  /** More models a chat may choose. */
  readonly models: readonly string[];
  readonly log: { readonly maxBytes: number; readonly replicas: 1 | 3 };
  readonly broker: { readonly path?: string };
  readonly agent: {
    readonly runners: number;
    readonly maxSteps: number;
    readonly maxOutputTokens: number;
    readonly systemPrompt?: string;
  };
  readonly chat: { readonly queueMode: "steer" | "queue" | "interrupt" };
  /** US dollars per million tokens, by model, such as `anthropic:<id>`. */
  readonly prices: Readonly<
    Record<string, { readonly input: number; readonly output: number; readonly cachedInput?: number }>
  >;
}

/** Every problem found, one line each; `where` is the file's key or the variable's name. */
export interface ConfigProblem {
  readonly where: string;
  readonly what: string;
}

export const CONFIG_ERROR: ErrorCode = "CONFIG_INVALID";
export const CONFIG_FILE = "taffrail.yaml";

/** Freezes a value and all it holds. */
export function deepFreeze<T>(value: T): T {
  if (value !== null && typeof value === "object" && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const member of Object.values(value)) deepFreeze(member);
  }
  return value;
}
