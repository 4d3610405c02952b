/**
 * Upcasters: pure, applied on read, so that any log of any past release replays. One per (type, from version) that
 * is no longer the newest; each turns the data of version n into that of n + 1.
 */
import { catalogue, type MessageType } from "../index.ts";

type Upcaster = (data: unknown) => unknown;

const upcasters: Readonly<Record<string, Upcaster>> = {};

/** Lifts `data` of `version` to the newest version of `type`; data of an unknown newer version stays as it is. */
export function upcast(
  type: MessageType,
  version: number,
  data: unknown,
  steps: Readonly<Record<string, Upcaster>> = upcasters,
  newest: number = catalogue[type].version,
): { version: number; data: unknown } {
  let current = version;
  let lifted = data;
  while (current < newest) {
    const step = steps[`${type}:${current}`];
    if (step === undefined) break;
    lifted = step(lifted);
    current++;
  }
  return { version: current, data: lifted };
}
