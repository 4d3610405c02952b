/** The web channel's settings, as the supervisor gives them. */
import { TaffrailError } from "../../bus/errors.ts";
import type { ModelsView } from "../../schemas/views.ts";

export interface WebConfig {
  readonly port: number;
  readonly version: string;
  readonly models: ModelsView;
}

/** @throws CONFIG_INVALID */
export function webConfig(settings: Readonly<Record<string, unknown>>): WebConfig {
  const port = settings["port"] ?? 7420;
  if (!Number.isSafeInteger(port) || Number(port) < 0 || Number(port) > 65_535)
    throw new TaffrailError("CONFIG_INVALID", "port must be a whole number from 0 to 65535");
  const models = (settings["models"] ?? { configured: "demo", choices: [] }) as ModelsView;
  return Object.freeze({ port: Number(port), version: String(settings["version"] ?? "0"), models });
}
