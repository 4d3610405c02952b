// A model worker with a fault: the model `demo:spin` says one word and then never gives its thread back.
// `demo:crash` ends its thread by an error outside any promise. All else is the real worker.
import { runModelTask as runReal } from "./source-worker.mjs";

/** @param {import("../../../services/agent-runner/model/worker.ts").ModelTask} task */
export async function runModelTask(task) {
  if (task.request.model === "demo:spin") {
    task.port.postMessage({ type: "text", text: "spinning" });
    for (;;);
  }
  if (task.request.model === "demo:crash") {
    setImmediate(() => {
      throw new Error("scripted crash");
    });
    await new Promise(() => {});
  }
  return runReal(task);
}
