// The model worker from source, for tests: under Node 20 `--import tsx` does not reach `import()` in worker threads,
// so the loader is registered here.
import { register } from "tsx/esm/api";

register();

export const { runModelTask } = await import("../../../services/agent-runner/model/worker.ts");
