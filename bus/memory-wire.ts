/** One direction of an in-memory connection: first in, first out, each message after a drawn latency. */
import type { Clock, Random } from "./ports.ts";

/** What a loopback connection with an fsync behind it takes; drawn below this. */
const MAX_LATENCY_MS = 2;

export interface Wire {
  /** `arrive` runs at the other end after the latency, never before what was sent earlier. */
  send(arrive: () => void): void;
  /** Loses what is under way; the first `arriving` messages still arrive, now. */
  cut(arriving: number): void;
  readonly underWay: number;
}

export function createWire(clock: Clock, random: Random): Wire {
  let messages: { dueMs: number; arrive: () => void }[] = [];
  let carrying = false;

  async function carry(): Promise<void> {
    carrying = true;
    for (let head = messages[0]; head !== undefined; head = messages[0]) {
      const waitMs = head.dueMs - clock.nowMs();
      if (waitMs > 0) await clock.sleep(waitMs);
      // A cut during the sleep took it away.
      if (messages[0] !== head) continue;
      messages.shift();
      head.arrive();
    }
    carrying = false;
  }

  return {
    get underWay() {
      return messages.length;
    },
    send(arrive) {
      messages.push({ dueMs: clock.nowMs() + random.fraction() * MAX_LATENCY_MS, arrive });
      if (!carrying) void carry();
    },
    cut(arriving) {
      const lost = messages;
      messages = [];
      for (const message of lost.slice(0, arriving)) message.arrive();
    },
  };
}
