/** Entry of the router process. */
import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { tokenMint } from "../../bus/ids.ts";
import { runProcess } from "../../bus/runtime.ts";
import { fileSnapshots } from "../../bus/snapshot.ts";
import { startRouter } from "./app.ts";
import { routerSettings } from "./config.ts";
import { STATE_SHAPE } from "./state.ts";

await runProcess({
  user: "router",
  async start(ports, environment) {
    await mkdir(join(environment.home, "state"), { recursive: true, mode: 0o700 });
    return startRouter(ports, {
      settings: routerSettings(environment.settings),
      mint: tokenMint(readFileSync(join(environment.home, "keys", "install.key"))),
      snapshots: fileSnapshots(join(environment.home, "state", "router.json"), STATE_SHAPE),
    });
  },
});
