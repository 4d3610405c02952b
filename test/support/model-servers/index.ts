// Model servers for tests: each speaks one provider's own wire format, answers from scripts and records what it was asked.
import { fileURLToPath } from "node:url";

export { anthropicFormat } from "./anthropic.ts";
export { ollamaFormat } from "./ollama.ts";
export { openAiFormat } from "./openai.ts";
export type { Fault, Script, WireFormat } from "./script.ts";
export { startModelServer } from "./server.ts";
export type { ModelServer } from "./server.ts";

/** The worker for `createModelPool` when a test runs from source. */
export const sourceWorkerFile = fileURLToPath(new URL("./source-worker.mjs", import.meta.url));
/** A worker whose `demo` models never give their thread back, for tests of the pool's end of patience. */
export const spinningWorkerFile = fileURLToPath(new URL("./spinning-worker.mjs", import.meta.url));
