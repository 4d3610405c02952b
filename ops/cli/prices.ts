/** Prices of models from the configuration of a state folder. */
import { hasCode } from "../../bus/errors.ts";
import { loadConfig } from "../config/load.ts";
import type { Prices } from "../story/cost.ts";

/** None when the configuration has a fault: what the log says can be shown without them. */
export function pricesOf(home: string): Prices {
  try {
    return loadConfig(process.env, { home }).prices;
  } catch (error) {
    if (!hasCode(error, "CONFIG_INVALID")) throw error;
    console.error(`costs are not known: ${error.message}`);
    return {};
  }
}
