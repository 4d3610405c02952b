/** The runner's settings, as the supervisor gives them. */
import { TaffrailError } from "../../bus/errors.ts";
import { hashJson } from "../../bus/ids.ts";
import type { ModelEndpoint } from "./model/port.ts";
import { parseModel } from "./model/select.ts";
import type { Tool } from "./tools/tool.ts";
import type { TurnSettings } from "./turn.ts";

const DEFAULT_PROMPT =
  "You are Taffrail, an assistant in a person's own chat. Answer shortly and plainly, in the language of the message. " +
  "Use a tool only when it helps. Say when you do not know.";

export interface RunnerConfig {
  readonly turn: TurnSettings;
  /** Turns at once on this runner. */
  readonly maxTurns: number;
  endpointFor(model: string): ModelEndpoint;
}

function whole(settings: Readonly<Record<string, unknown>>, name: string, fallback: number): number {
  const value = settings[name] ?? fallback;
  if (!Number.isSafeInteger(value) || Number(value) < 1)
    throw new TaffrailError("CONFIG_INVALID", `${name} must be a whole number above 0`);
  return Number(value);
}

/** @throws CONFIG_INVALID. The key stays in memory: it is never in the settings that are hashed into TurnClaimed. */
export function runnerConfig(
  settings: Readonly<Record<string, unknown>>,
  secrets: { apiKey: string | undefined },
  tools: readonly Tool[],
): RunnerConfig {
  const configuredModel = String(settings["configuredModel"] ?? "demo");
  const systemPrompt = typeof settings["systemPrompt"] === "string" ? settings["systemPrompt"] : DEFAULT_PROMPT;
  const baseUrl = typeof settings["baseUrl"] === "string" ? settings["baseUrl"] : undefined;
  const configuredProvider = parseModel(configuredModel).provider;
  const limits = { maxSteps: whole(settings, "maxSteps", 20), maxAttempts: 4 };
  return Object.freeze({
    maxTurns: whole(settings, "maxTurns", 64),
    turn: {
      configuredModel,
      systemPrompt,
      maxOutputTokens: whole(settings, "maxOutputTokens", 4096),
      limits,
      versions: {
        code: String(settings["version"] ?? "0").slice(0, 64),
        prompt: hashJson(systemPrompt),
        tools: hashJson(tools.map((tool) => [tool.spec, tool.effect])),
        policy: "none",
        config: hashJson({ configuredModel, limits }),
      },
    },
    // The configured address and key belong to the configured provider; a model of another one gets its defaults.
    endpointFor: (model: string): ModelEndpoint =>
      parseModel(model).provider === configuredProvider
        ? {
            ...(baseUrl === undefined ? {} : { baseUrl }),
            ...(secrets.apiKey === undefined ? {} : { apiKey: secrets.apiKey }),
          }
        : {},
  });
}
