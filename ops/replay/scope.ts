/** What of a log a replay can compare. Of a bundle of one turn, what lies before the turn is its context and is cut. Pure. */
import { TaffrailError } from "../../bus/errors.ts";
import type { LogEntry } from "../../bus/event.ts";
import type { BundleManifest, BundleScope, BundleSettings } from "../bundle/format.ts";
import { logFilter } from "../cli/log-filter.ts";

export type Compares = (entry: LogEntry) => boolean;

/** Which entries a bundle holds whole; asked in log order. */
export function scopeFilter(manifest: BundleManifest | undefined): Compares {
  const scope: BundleScope = manifest?.scope ?? { type: "all" };
  if (scope.type === "all") return () => true;
  return logFilter(scope.type === "turn" ? { turn: scope.turn } : { chat: scope.chat });
}

/** Both must hold; both are asked of every entry, for they remember what they saw. */
export function both(left: Compares, right: Compares): Compares {
  return (entry) => {
    const [one, other] = [left(entry), right(entry)];
    return one && other;
  };
}

/** Throws TURN_UNKNOWN when a bundle of another turn holds of this one only what that saw of it. */
export function checkTurnInScope(manifest: BundleManifest | undefined, turn: string): void {
  const { scope } = manifest ?? {};
  if (scope?.type === "turn" && scope.turn !== turn)
    throw new TaffrailError(
      "TURN_UNKNOWN",
      `this bundle is of the turn ${scope.turn}; of ${turn} it holds only what that one saw`,
      { turn },
    );
}

export interface ChangedSetting {
  readonly name: string;
  readonly recorded: unknown;
  readonly now: unknown;
}

const KEYS: Readonly<Record<keyof BundleSettings, string>> = {
  configuredModel: "model.use",
  systemPrompt: "agent.systemPrompt",
  maxSteps: "agent.maxSteps",
  maxOutputTokens: "agent.maxOutputTokens",
  queueMode: "chat.queueMode",
};

/** Settings of a bundle that its folder's taffrail.yaml has changed since, by their keys there. */
export function changedSettings(then: BundleSettings | undefined, now: BundleSettings): ChangedSetting[] {
  if (then === undefined) return [];
  return (Object.keys(KEYS) as (keyof BundleSettings)[])
    .filter((key) => then[key] !== now[key])
    .map((key) => ({ name: KEYS[key], recorded: then[key], now: now[key] }));
}
