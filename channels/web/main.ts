/** Entry of the web channel process. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { watchConnection } from "../../bus/connection-watch.ts";
import { createChannelLog } from "../../bus/channel-log.ts";
import { runProcess } from "../../bus/runtime.ts";
import { startWeb } from "./app.ts";
import { webConfig } from "./config.ts";
import { createSessions } from "./session.ts";

await runProcess({
  user: "web",
  start(ports, environment, nc) {
    const key = readFileSync(join(environment.home, "keys", "web-session.key"));
    const linkFile = join(environment.home, "run", "link.json");
    const connection = watchConnection(nc);
    return startWeb({
      ports,
      onReconnect: (listener) => connection.onChange((up) => up && listener()),
      channelLog: createChannelLog(nc),
      sessions: createSessions({ key, linkFile, clock: ports.clock }),
      config: webConfig(environment.settings),
      pageFolder: join(fileURLToPath(import.meta.url), "..", "ui"),
    });
  },
});
