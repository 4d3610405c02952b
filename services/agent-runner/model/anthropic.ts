// Anthropic's Messages API.
// In: a ModelRequest `anthropic:<id>`. Out: a ModelResult. Owns: the endpoint's defaults. Never: a key from the
// environment (the SDK would take ANTHROPIC_API_KEY and ANTHROPIC_BASE_URL by itself).
import { createAnthropic } from "@ai-sdk/anthropic";
import { runAiStep } from "./ai-step.ts";
import { checkApiKey, checkBaseUrl } from "./endpoint.ts";
import { ModelError } from "./port.ts";
import type { Model, ModelEndpoint } from "./port.ts";
import { parseModel } from "./select.ts";

const BASE_URL = "https://api.anthropic.com/v1";
// The API pings while it thinks, so a minute of silence is a dead connection.
const IDLE_TIMEOUT_MS = 60_000;

/** A Model at Anthropic or a server that speaks its API. Needs a key. */
export function createAnthropicModel(endpoint: ModelEndpoint): Model {
  return {
    async run(request, stream) {
      const { id } = parseModel(request.model);
      const baseUrl = checkBaseUrl(endpoint.baseUrl ?? BASE_URL);
      const apiKey = checkApiKey(endpoint.apiKey);
      if (apiKey === undefined)
        throw new ModelError("MODEL_AUTH", "Anthropic needs an API key: set TAFFRAIL_MODEL_API_KEY.");
      const idleTimeoutMs = endpoint.idleTimeoutMs ?? IDLE_TIMEOUT_MS;
      const server = { name: "Anthropic", model: id, baseUrl, apiKey };
      return runAiStep(request, stream, server, { firstByteTimeoutMs: idleTimeoutMs, idleTimeoutMs }, (fetch) =>
        createAnthropic({ baseURL: baseUrl, apiKey, fetch })(id),
      );
    },
  };
}
