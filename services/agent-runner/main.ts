/** Entry of an agent-runner process. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { watchConnection } from "../../bus/connection-watch.ts";
import { runProcess } from "../../bus/runtime.ts";
import { startAgentRunner } from "./app.ts";
import { runnerConfig } from "./config.ts";
import { createModelPool } from "./model/pool.ts";
import { builtInTools } from "./tools/built-in.ts";
import { fileNotes } from "./tools/notes.ts";

await runProcess({
  user: "agent-runner",
  async start(ports, environment, nc) {
    const tools = builtInTools(fileNotes(environment.home));
    const config = runnerConfig(environment.settings, { apiKey: process.env["TAFFRAIL_MODEL_API_KEY"] }, tools);
    delete process.env["TAFFRAIL_MODEL_API_KEY"];
    const pool = createModelPool({
      workerFile: join(fileURLToPath(import.meta.url), "..", "model-worker.js"),
      endpointFor: (model) => config.endpointFor(model),
    });
    const connection = watchConnection(nc);
    const app = await startAgentRunner(ports, {
      name: environment.name,
      model: pool,
      tools,
      settings: config.turn,
      maxTurns: config.maxTurns,
      onReconnect: (listener) => connection.onChange((up) => up && listener()),
    });
    return {
      ...app,
      async close() {
        await app.close();
        await pool.close();
      },
    };
  },
});
