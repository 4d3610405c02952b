/** Entry of the stats process. */
import { runProcess } from "../../bus/runtime.ts";
import { textSetting } from "../../bus/settings.ts";
import { startStats } from "./app.ts";

await runProcess({
  user: "stats",
  start: (ports, environment) =>
    startStats(ports, { version: textSetting(environment.settings, "version", "0"), host: environment.host }),
});
