/**
 * Who of the runners is alive: each that holds turns says so on core NATS. A lease is a hint only; the fences decide.
 */
import type { Clock } from "../../bus/ports.ts";
import type { Live } from "../../bus/live.ts";
import { liveSubjects } from "../../bus/subjects.ts";

/** DESIGN 7: a runner silent for this long has lost its turns. */
const LEASE_MS = 1_000;
/** Three in a lease: two may be lost. */
const RENEW_MS = 300;

export interface Leases {
  /** How many turns this runner holds now; above 0 it renews its lease. */
  hold(turns: number): void;
  /** True while the lease of `runner` runs; true, too, within the first lease after our own start. */
  alive(runner: string): boolean;
  close(): void;
}

export interface LeaseParts {
  readonly live: Live;
  readonly clock: Clock;
  readonly runner: string;
  /** A runner that held turns has fallen silent. */
  readonly onSilent: (runner: string) => void;
}

export function createLeases({ live, clock, runner, onSilent }: LeaseParts): Leases {
  const heardMs = new Map<string, number>();
  const abort = new AbortController();
  const startedMs = clock.nowMs();
  let holding = 0;
  let wake = new AbortController();

  const unsubscribe = live.subscribe(liveSubjects.lease, (data) => {
    const { runner: other, turns } = data as { runner?: unknown; turns?: unknown };
    if (typeof other !== "string" || other === runner) return;
    const idle = heardMs.size === 0;
    if (turns === 0) heardMs.delete(other);
    else heardMs.set(other, clock.nowMs());
    // Only the first one wakes: two runners that woke each other with every word would never stop talking.
    if (idle && heardMs.size > 0) wake.abort();
  });

  function announce(): void {
    live.publish(liveSubjects.lease, { runner, turns: holding });
  }

  async function tick(): Promise<void> {
    while (!abort.signal.aborted) {
      // Idle runners that hear nobody sleep long: no timer runs three times a second for nothing.
      const idle = holding === 0 && heardMs.size === 0;
      wake = new AbortController();
      await clock.sleep(idle ? 60_000 : RENEW_MS, wake.signal);
      if (holding > 0) announce();
      for (const [other, atMs] of heardMs) {
        if (clock.nowMs() - atMs <= LEASE_MS) continue;
        heardMs.delete(other);
        onSilent(other);
      }
    }
  }
  void tick();
  // Who was alive before us is not known yet: look again when the first lease is over.
  void clock.sleep(LEASE_MS, abort.signal).then(() => {
    if (!abort.signal.aborted) onSilent("");
  });

  return {
    hold(turns) {
      const changed = (turns === 0) !== (holding === 0);
      holding = turns;
      if (!changed) return;
      announce();
      wake.abort();
    },
    alive(other) {
      if (other === runner) return true;
      const atMs = heardMs.get(other);
      if (atMs !== undefined) return clock.nowMs() - atMs <= LEASE_MS;
      return clock.nowMs() - startedMs < LEASE_MS;
    },
    close() {
      unsubscribe();
      abort.abort();
      wake.abort();
    },
  };
}
