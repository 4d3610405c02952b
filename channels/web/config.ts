/** The web channel's settings, as the supervisor gives them. */
import { textSetting, wholeSetting } from "../../bus/settings.ts";
import type { ModelsView } from "../../schemas/views.ts";

export interface WebConfig {
  readonly port: number;
  readonly version: string;
  readonly models: ModelsView;
}

/** @throws CONFIG_INVALID */
export function webConfig(settings: Readonly<Record<string, unknown>>): WebConfig {
  const port = wholeSetting(settings, "port", 7420, 0);
  const models = (settings["models"] ?? { configured: "demo", choices: [] }) as ModelsView;
  return Object.freeze({ port, version: textSetting(settings, "version", "0"), models });
}
