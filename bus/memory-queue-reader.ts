/** The client side of the in-memory work queue. */
import { TaffrailError } from "./errors.ts";
import type { LogEntry } from "./event.ts";
import type { QueueOptions, QueueReader } from "./log.ts";
import type { Broker, Client } from "./memory-client.ts";
import type { Puller } from "./memory-queue.ts";

const REOPEN_DELAY_MS = 200;

/** Pulls like the JetStream reader: places are asked for when it opens and when it is woken, never by themselves. */
export function createQueueReader(broker: Broker, client: Client, options: QueueOptions): QueueReader {
  const { clock, store } = broker;
  const { queue: name, signal, capacity } = options;
  const queue = broker.queues.get(name);
  if (queue === undefined) throw new TaffrailError("BUS_UNAVAILABLE", `there is no queue ${name}`);
  const ready: { entry: LogEntry; seq: number; deliveryCount: number }[] = [];
  let requested = 0;
  let puller: Puller | undefined;
  let notify: () => void = () => undefined;

  const settle = (work: () => void): void => {
    if (!client.killed) client.onBoundary("settle");
    if (client.killed || broker.losesQueueAck()) return;
    client.transmit(() => {
      if (broker.warm) work();
    });
  };
  const refill = (): void => {
    const count = capacity() - requested - ready.length;
    const by = puller;
    if (by === undefined || client.killed || signal.aborted || count <= 0) return;
    requested += count;
    client.transmit(() => {
      if (broker.warm) queue.pull(by, count);
    });
  };
  const open = (): void => {
    if (puller !== undefined) puller.gone = true;
    if (!broker.warm) {
      void clock.sleep(REOPEN_DELAY_MS).then(() => !signal.aborted && !client.killed && open());
      return;
    }
    const current: Puller = {
      gone: false,
      deliver(seq, deliveryCount) {
        client.toClient.send(() => {
          if (puller !== current || signal.aborted) return;
          requested--;
          ready.push({ entry: store.entry(seq)!, seq, deliveryCount });
          notify();
        });
      },
    };
    puller = current;
    requested = 0;
    refill();
  };
  signal.addEventListener(
    "abort",
    () => {
      if (client.killed) return;
      client.onReconnect.delete(open);
      if (puller !== undefined) puller.gone = true;
      notify();
    },
    { once: true },
  );
  client.onReconnect.add(open);
  client.onGone.add(() => {
    if (puller !== undefined) puller.gone = true;
  });
  open();

  return {
    wake: refill,
    async *[Symbol.asyncIterator]() {
      for (;;) {
        await client.alive("delivery");
        if (signal.aborted) return;
        const delivery = ready.shift();
        if (delivery === undefined) {
          await new Promise<void>((resolve) => (notify = resolve));
          continue;
        }
        const { entry, seq, deliveryCount } = delivery;
        yield {
          entry,
          deliveryCount,
          working: () => settle(() => queue.working(seq)),
          ack: () => settle(() => queue.ack(seq)),
          nak: (delayMs) => settle(() => queue.nak(seq, delayMs)),
        };
      }
    },
  };
}
