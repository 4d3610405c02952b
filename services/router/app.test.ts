/** The router on the in-memory log in virtual time: two of them decide the same at once. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { pino } from "pino";
import { tokenMint } from "../../bus/ids.ts";
import type { Log } from "../../bus/log.ts";
import { createMemoryLive } from "../../bus/memory-live.ts";
import { createMemoryLog } from "../../bus/memory-log.ts";
import { filters, lanes } from "../../bus/subjects.ts";
import { completed, received, requested } from "../../test/support/stored-events.ts";
import { createSeededRandom, createVirtualClock } from "../../test/support/virtual-clock.ts";
import { startRouter } from "./app.ts";

test("a router that lags takes no message again that its twin's turn of the same id has answered", async () => {
  const clock = createVirtualClock(Date.UTC(2026, 0, 1));
  const random = createSeededRandom(1);
  const log = createMemoryLog({ clock, random });
  const mint = tokenMint(new Uint8Array(32));
  const say = (message: string): Promise<unknown> =>
    log.append(lanes.message("web", "c", message), 0, received(0, message));
  await clock.settle(say("m1"));

  // Its reader brings m1 and then stalls; before its first append arrives, the twin has read m2, too, and decided.
  let goOn: () => void = () => undefined;
  const stalled = new Promise<void>((resolve) => (goOn = resolve));
  let twinDecided = false;
  const lagging: Log = {
    ...log,
    async *read(options) {
      let first = true;
      for await (const batch of log.read(options)) {
        if (!first) await stalled;
        first = false;
        yield batch;
      }
    },
    async append(lane, expected, event) {
      if (!twinDecided && event.type === "TurnRequested") {
        twinDecided = true;
        await say("m2");
        const { turn } = event.data as { turn: string };
        const key = { channel: "web", chatToken: mint("chat", "web", "c"), turn };
        const twins = requested(0, turn, [
          ["m1", 1],
          ["m2", 2],
        ]);
        const { seq } = await log.append(lanes.turnRequest(key), 0, { ...twins, id: event.id });
        await log.append(lanes.end(key, "web"), seq, completed(0, turn, ["m1", "m2"]));
      }
      return log.append(lane, expected, event);
    },
  };
  const ports = {
    log: lagging,
    live: createMemoryLive({ clock, random }),
    clock,
    random,
    logger: pino({ level: "silent" }),
  };
  const router = await clock.settle(startRouter(ports, { settings: { queueMode: "steer" }, mint }));
  await clock.run(clock.nowMs() + 1_000);
  goOn();
  await clock.run(clock.nowMs() + 1_000);
  await clock.settle(say("m3"));
  await clock.run(clock.nowMs() + 1_000);
  const turns = await clock.settle(log.fetch({ filter: filters.wakes, fromSeq: 1, limit: 100 }));
  await clock.settle(router.close());
  assert.equal(twinDecided, true);
  assert.deepEqual(
    turns.map((entry) => entry.type === "TurnRequested" && entry.data.messages.map((ref) => ref.message)),
    [["m1", "m2"], ["m3"]],
  );
});
