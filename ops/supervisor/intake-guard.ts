/** Pauses intake before the log or its disk is full: what runs can still end, and the broker never meets a full disk. */
import { PAUSE_FREE_BYTES } from "./checks.ts";

const MIB = 1024 * 1024;
/** The other fifth is for the turns that run and for the time a person needs to act (DESIGN 6). */
const PAUSE_SHARE = 0.8;
/** Apart from the pause, so that intake does not flap. */
const RESUME_SHARE = 0.75;
const RESUME_FREE_BYTES = PAUSE_FREE_BYTES + 64 * MIB;

export interface Room {
  readonly logBytes: number;
  readonly maxBytes: number;
  readonly freeBytes: number;
}

/** Why intake is to be paused now; undefined: it may run. `paused` is the state before. Pure. */
export function intakeReason(room: Room, paused: boolean): string | undefined {
  const share = room.logBytes / room.maxBytes;
  if (share >= (paused ? RESUME_SHARE : PAUSE_SHARE))
    return `the log holds ${Math.round(share * 100)} % of its limit; raise log.maxBytes in taffrail.yaml`;
  if (room.freeBytes < (paused ? RESUME_FREE_BYTES : PAUSE_FREE_BYTES))
    return `the disk has ${Math.floor(room.freeBytes / MIB)} MiB free; free at least ${RESUME_FREE_BYTES / MIB} MiB`;
  return undefined;
}
