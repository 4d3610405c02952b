/** What the simulated processes decide with. */
import type { ToolEffect } from "../../services/agent-runner/tools/tool.ts";
import type { TurnSettings } from "../../services/agent-runner/turn.ts";

export const MAX_ATTEMPTS = 4;
export const VERSIONS = { code: "1", prompt: "1", tools: "1", policy: "1", config: "1" };

/** Turn settings of every simulated runner. */
export const TURN_SETTINGS: TurnSettings = {
  configuredModel: "demo",
  systemPrompt: "Answer.",
  maxOutputTokens: 100,
  limits: { maxSteps: 5, maxAttempts: MAX_ATTEMPTS },
  versions: VERSIONS,
};

/** One tool of each effect. */
export const TOOLS: readonly { readonly name: string; readonly effect: ToolEffect }[] = [
  { name: "look", effect: "pure" },
  { name: "note", effect: "idempotent" },
  { name: "pay", effect: "at-most-once" },
];

/** The tools as a model and a replay know them. */
export const TOOL_SPECS = TOOLS.map(({ name, effect }) => ({
  spec: { name, description: name, parameters: { type: "object" } },
  effect,
}));
