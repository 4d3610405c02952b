// OpenAI's chat completions API, and every server that speaks it (Venice, LM Studio, vLLM, llama.cpp …).
// In: a ModelRequest `openai:<id>`. Out: a ModelResult. Owns: the endpoint's defaults and OpenAI's own dialect.
// Never: a key from the environment.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { runAiStep } from "./ai-step.ts";
import { checkApiKey, checkBaseUrl } from "./endpoint.ts";
import { ModelError } from "./port.ts";
import type { Model, ModelEndpoint } from "./port.ts";
import { parseModel } from "./select.ts";

const BASE_URL = "https://api.openai.com/v1";
const IDLE_TIMEOUT_MS = 60_000;

/** A Model at OpenAI (needs a key) or at `endpoint.baseUrl` (a key if that server wants one). */
export function createOpenAiModel(endpoint: ModelEndpoint): Model {
  return {
    async run(request, stream) {
      const { id } = parseModel(request.model);
      const baseUrl = checkBaseUrl(endpoint.baseUrl ?? BASE_URL);
      const apiKey = checkApiKey(endpoint.apiKey);
      const atOpenAi = new URL(baseUrl).hostname === "api.openai.com";
      if (atOpenAi && apiKey === undefined)
        throw new ModelError("MODEL_AUTH", "OpenAI needs an API key: set TAFFRAIL_MODEL_API_KEY.");
      const idleTimeoutMs = endpoint.idleTimeoutMs ?? IDLE_TIMEOUT_MS;
      const key = apiKey === undefined ? {} : { apiKey };
      const server = { name: atOpenAi ? "OpenAI" : "The model server", model: id, baseUrl, ...key };
      return runAiStep(request, stream, server, { firstByteTimeoutMs: idleTimeoutMs, idleTimeoutMs }, (fetch) =>
        createOpenAICompatible({
          name: "openai",
          baseURL: baseUrl,
          ...key,
          fetch,
          includeUsage: true,
          ...(atOpenAi ? { transformRequestBody: toOpenAiBody } : {}),
        })(id),
      );
    },
  };
}

/** OpenAI's newer models refuse `max_tokens`; compatible servers know no other name. */
export function toOpenAiBody(body: Record<string, unknown>): Record<string, unknown> {
  const { max_tokens: limit, ...rest } = body;
  return limit === undefined ? rest : { ...rest, max_completion_tokens: limit };
}
