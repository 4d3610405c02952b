/** The router's settings, as the supervisor gives them. */
import { TaffrailError } from "../../bus/errors.ts";
import type { RouterSettings } from "./decide.ts";
import type { QueueMode } from "./state.ts";

const MODES: readonly string[] = ["queue", "steer", "interrupt"] satisfies QueueMode[];

/** @throws CONFIG_INVALID for an unknown queue mode. */
export function routerSettings(settings: Readonly<Record<string, unknown>>): RouterSettings {
  const queueMode = settings["queueMode"] ?? "steer";
  if (typeof queueMode !== "string" || !MODES.includes(queueMode))
    throw new TaffrailError("CONFIG_INVALID", `chat.queueMode must be one of ${MODES.join(", ")}`);
  return Object.freeze({ queueMode: queueMode as QueueMode });
}
