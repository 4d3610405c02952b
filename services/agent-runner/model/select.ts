// From a model's name to the module that talks to it.
// In: `demo`, `anthropic:<id>`, `openai:<id>`, `ollama:<id>`. Out: a Model.
// Owns: the grammar of model names. Never: loads a provider that was not asked for (`ai` costs 25 MB and 0.2 s).
import { ModelError } from "./port.ts";
import type { Model, ModelEndpoint } from "./port.ts";

export type ProviderName = "demo" | "anthropic" | "openai" | "ollama";

export interface ModelChoice {
  provider: ProviderName;
  /** What follows the first colon, as the provider spells it; "" for plain `demo`. */
  id: string;
}

/** The forms a model's name may have, for help texts and errors. */
export const MODEL_FORMS = ["demo", "anthropic:<id>", "openai:<id>", "ollama:<id>"] as const;

// Names go into URLs, events and logs; the longest real one (a Hugging Face path with a tag) is about 120 characters.
const MAX_ID_LENGTH = 200;

/**
 * Splits a model's name. Ids may hold colons and slashes (`ollama:llama3.2:1b`).
 * Throws ModelError MODEL_UNKNOWN that lists the forms.
 */
export function parseModel(name: string): ModelChoice {
  const colon = name.indexOf(":");
  const provider = colon < 0 ? name : name.slice(0, colon);
  const id = colon < 0 ? "" : name.slice(colon + 1);
  if (id.length <= MAX_ID_LENGTH && /^[\x21-\x7e]*$/.test(id)) {
    if (provider === "demo") return { provider, id };
    if ((provider === "anthropic" || provider === "openai" || provider === "ollama") && id !== "")
      return { provider, id };
  }
  const shown = JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name);
  throw new ModelError("MODEL_UNKNOWN", `${shown} is not a model's name. Write one of: ${MODEL_FORMS.join(", ")}.`);
}

/** The Model of one provider. Its module is loaded at the first call only. */
export async function createModel(provider: ProviderName, endpoint: ModelEndpoint): Promise<Model> {
  switch (provider) {
    case "demo":
      return (await import("./demo.ts")).createDemoModel();
    case "anthropic":
      return (await import("./anthropic.ts")).createAnthropicModel(endpoint);
    case "openai":
      return (await import("./openai.ts")).createOpenAiModel(endpoint);
    case "ollama":
      return (await import("./ollama.ts")).createOllamaModel(endpoint);
  }
}
