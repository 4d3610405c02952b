/** Load per channel account, bytes and messages weighed as bytes: the server has no quota for what goes through an import (DESIGN 6). Pure. */

/** Counted over this long, so that a burst of long messages passes and a loop does not. */
export const FLOOD_WINDOW_MS = 10_000;
/** 32 MiB in ten seconds: 128 of the longest messages a second apart from each other's answers; people make kilobytes. */
export const FLOOD_BYTES = 32 * 1024 * 1024;
const FIRST_PENALTY_MS = 30_000;
const MAX_PENALTY_MS = 600_000;

export interface FloodState {
  /** Bytes counted by the broker since its start, at each look within the window. */
  readonly samples: readonly { readonly atMs: number; readonly bytes: number }[];
  readonly closedUntilMs?: number;
  /** Times it was closed; each doubles the penalty. */
  readonly closures: number;
}

export type FloodVerdict =
  | { readonly type: "fine" }
  | { readonly type: "close"; readonly bytes: number; readonly seconds: number }
  | { readonly type: "open" };

export const quietChannel: FloodState = { samples: [], closures: 0 };

/** Folds one look at a channel's counter. A counter that fell is a restarted broker. */
export function watchFlood(
  state: FloodState,
  bytes: number,
  atMs: number,
): { state: FloodState; verdict: FloodVerdict } {
  if (state.closedUntilMs !== undefined) {
    if (atMs < state.closedUntilMs) return { state, verdict: { type: "fine" } };
    return { state: { samples: [{ atMs, bytes }], closures: state.closures }, verdict: { type: "open" } };
  }
  const fell = (state.samples.at(-1)?.bytes ?? 0) > bytes;
  const kept = fell ? [] : state.samples.filter((sample) => atMs - sample.atMs <= FLOOD_WINDOW_MS);
  const samples = [...kept, { atMs, bytes }];
  const first = samples[0] ?? { atMs, bytes };
  const grown = bytes - first.bytes;
  if (grown <= FLOOD_BYTES) return { state: { ...state, samples }, verdict: { type: "fine" } };
  const penaltyMs = Math.min(FIRST_PENALTY_MS * 2 ** Math.min(state.closures, 10), MAX_PENALTY_MS);
  return {
    state: { samples: [], closures: state.closures + 1, closedUntilMs: atMs + penaltyMs },
    verdict: { type: "close", bytes: grown, seconds: Math.max(1, Math.round((atMs - first.atMs) / 1000)) },
  };
}
