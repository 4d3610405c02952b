/** Entry of the UI projection process. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { runProcess } from "../../bus/runtime.ts";
import { startUiProjection } from "./app.ts";

await runProcess({
  user: "ui-projection",
  async start(ports, environment) {
    const folder = join(environment.home, "state");
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return startUiProjection(ports, { file: join(folder, "views.sqlite") });
  },
});
