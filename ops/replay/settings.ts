/** What a replay decides with: the configuration of the state folder. */
import { turnReplaySettings } from "../../services/agent-runner/replay.ts";
import { routerSettings } from "../../services/router/replay.ts";
import type { Config } from "../config/config.ts";
import { ownProcesses } from "../supervisor/process-list.ts";
import type { ReplaySettings } from "./replay.ts";

/** `code`: version of the code as claims record it. @throws CONFIG_INVALID */
export function replaySettings(config: Config, code: string): ReplaySettings {
  const processes = ownProcesses(config, "", 0, { version: code, code });
  const settingsOf = (user: string): Readonly<Record<string, unknown>> =>
    processes.find((one) => one.user === user)?.settings ?? {};
  const { settings, tools, versions } = turnReplaySettings(settingsOf("agent-runner"));
  return { router: routerSettings(settingsOf("router")), runner: settings, tools, versions };
}
