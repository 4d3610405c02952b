/** The runner's settings, as the supervisor gives them. */
import { hashJson } from "../../bus/ids.ts";
import { textSetting, wholeSetting, type Settings } from "../../bus/settings.ts";
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

/** @throws CONFIG_INVALID. The key stays in memory: it is never in the settings that are hashed into TurnClaimed. */
export function runnerConfig(
  settings: Settings,
  secrets: { apiKey: string | undefined },
  tools: readonly Tool[],
): RunnerConfig {
  const configuredModel = textSetting(settings, "configuredModel", "demo");
  const systemPrompt = textSetting(settings, "systemPrompt", DEFAULT_PROMPT);
  const baseUrl = settings["baseUrl"] === undefined ? undefined : textSetting(settings, "baseUrl", "");
  const configuredProvider = parseModel(configuredModel).provider;
  const maxOutputTokens = wholeSetting(settings, "maxOutputTokens", 4096);
  const queueMode = textSetting(settings, "queueMode", "steer");
  const limits = { maxSteps: wholeSetting(settings, "maxSteps", 20), maxAttempts: 4 };
  return Object.freeze({
    maxTurns: wholeSetting(settings, "maxTurns", 64),
    turn: {
      configuredModel,
      systemPrompt,
      maxOutputTokens,
      limits,
      versions: {
        code: textSetting(settings, "code", "0").slice(0, 64),
        prompt: hashJson(systemPrompt),
        tools: hashJson(tools.map((tool) => [tool.spec, tool.effect])),
        policy: "none",
        config: hashJson({ configuredModel, limits, maxOutputTokens, queueMode }),
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
