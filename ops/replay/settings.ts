/** What a replay decides with: the configuration as the deciders get it. */
import { turnReplaySettings } from "../../services/agent-runner/replay.ts";
import { routerSettings } from "../../services/router/replay.ts";
import type { DeciderSettings } from "../supervisor/process-list.ts";
import type { ReplaySettings } from "./replay.ts";

/** `code`: version of the code as claims record it. @throws CONFIG_INVALID */
export function replaySettings(deciders: DeciderSettings, code: string): ReplaySettings {
  const { settings, tools, versions } = turnReplaySettings({ ...deciders, code });
  return { router: routerSettings({ ...deciders }), runner: settings, tools, versions };
}
