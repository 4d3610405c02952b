/** Entry of the stats process. */
import { runProcess } from "../../bus/runtime.ts";
import { startStats } from "./app.ts";

await runProcess({
  user: "stats",
  start: (ports, environment) =>
    startStats(ports, { version: String(environment.settings["version"] ?? ""), host: environment.host }),
});
