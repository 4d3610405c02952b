/** The two implementations of `Live` as the conformance suite wants them. */
import { connect, type NatsConnection } from "nats";
import { createMemoryLive } from "../../bus/memory-live.ts";
import { createNatsLive } from "../../bus/nats-live.ts";
import { systemClock } from "../../bus/ports.ts";
import type { LiveHarness } from "../../bus/testing/live-conformance.ts";
import { startBroker } from "./broker.ts";
import { createSeededRandom, createVirtualClock } from "./virtual-clock.ts";

export async function memoryLiveHarness(seed: number): Promise<LiveHarness> {
  const clock = createVirtualClock(Date.UTC(2026, 0, 1));
  const live = createMemoryLive({ clock, random: createSeededRandom(seed) });
  return {
    live,
    clock,
    makeSecondLive: async () => live.attach(),
    subscribed: async () => undefined,
    play: (body) => clock.settle(body()),
    close: async () => undefined,
  };
}

export async function natsLiveHarness(): Promise<LiveHarness> {
  const broker = await startBroker();
  const connections: NatsConnection[] = [];
  const open = async () => {
    const connection = await connect({ servers: broker.server });
    connections.push(connection);
    return createNatsLive(connection);
  };
  return {
    live: await open(),
    clock: systemClock,
    makeSecondLive: open,
    subscribed: async () => {
      await Promise.all(connections.map((connection) => connection.flush()));
    },
    play: (body) => body(),
    close: async () => {
      await Promise.all(connections.map((connection) => connection.close()));
      await broker.stop();
    },
  };
}
