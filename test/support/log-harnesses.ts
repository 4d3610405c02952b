/** The two implementations of `Log` as the conformance suite wants them. */
import { connect, type NatsConnection } from "nats";
import { inboxPrefix } from "../../bus/connect.ts";
import { createJetStreamLog } from "../../bus/jetstream-log.ts";
import { ensureLog } from "../../bus/jetstream-setup.ts";
import { createMemoryLog } from "../../bus/memory-log.ts";
import { systemClock } from "../../bus/ports.ts";
import type { LogHarness } from "../../bus/testing/log-conformance.ts";
import { startBroker } from "./broker.ts";
import { startNatsProxy } from "./nats-proxy.ts";
import { createSeededRandom, createVirtualClock } from "./virtual-clock.ts";

const ROOMY_BYTES = 1024 ** 3;

export async function memoryHarness(seed: number): Promise<LogHarness> {
  const clock = createVirtualClock(Date.UTC(2026, 0, 1));
  const log = createMemoryLog({ clock, random: createSeededRandom(seed) });
  return {
    log,
    clock,
    makeSecondLog: async () => {
      const second = log.attach();
      return { log: second, kill: async () => second.kill() };
    },
    loseNextPublishAck: async () => {
      log.faults.loseNextAppendAck();
      return async () => undefined;
    },
    loseNextAppend: async () => {
      log.faults.loseNextAppend();
      return async () => undefined;
    },
    restart: () => log.faults.restart(),
    setMaxBytes: async (maxBytes) => log.faults.setMaxBytes(maxBytes),
    play: (body) => clock.settle(body()),
    close: async () => undefined,
  };
}

/** A real broker of its own behind a proxy that loses bytes. */
export async function jetStreamHarness(): Promise<LogHarness> {
  const broker = await startBroker();
  const proxy = await startNatsProxy(broker.port);
  const connections: NatsConnection[] = [];
  const open = async (server: string, name: string): Promise<NatsConnection> => {
    const connection = await connect({
      servers: server,
      name,
      inboxPrefix: inboxPrefix(name),
      maxReconnectAttempts: -1,
      reconnectTimeWait: 100,
      reconnectJitter: 50,
    });
    connections.push(connection);
    return connection;
  };
  const setUp = await open(broker.server, "setup");
  await ensureLog(setUp, { replicas: 1, maxBytes: ROOMY_BYTES });
  const log = await createJetStreamLog(await open(proxy.server, "first"), { name: "first" });
  const heal = async (): Promise<void> => proxy.heal();
  return {
    log,
    clock: systemClock,
    makeSecondLog: async () => {
      const connection = await open(broker.server, "second");
      return {
        log: await createJetStreamLog(connection, { name: "second" }),
        kill: () => connection.close(),
      };
    },
    loseNextPublishAck: async () => {
      proxy.dropToClients();
      return heal;
    },
    loseNextAppend: async () => {
      proxy.dropToBroker();
      return heal;
    },
    restart: () => broker.restart(),
    setMaxBytes: (maxBytes) => ensureLog(setUp, { replicas: 1, maxBytes }),
    play: (body) => body(),
    close: async () => {
      await Promise.all(connections.map((connection) => connection.close()));
      await proxy.close();
      await broker.stop();
    },
  };
}
