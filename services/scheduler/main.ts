/** Entry of the scheduler process. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { runProcess } from "../../bus/runtime.ts";
import { fileSnapshots } from "../../bus/snapshot.ts";
import { scheduleWake, startScheduler } from "./app.ts";
import { DUE_LIST_SHAPE, type DueList } from "./due-list.ts";

await runProcess({
  user: "scheduler",
  async start(ports, environment) {
    const folder = join(environment.home, "state");
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const snapshots = fileSnapshots<DueList>(join(folder, "scheduler.json"), DUE_LIST_SHAPE);
    return startScheduler(ports, { snapshots, wakeAt: scheduleWake });
  },
});
