/** Whether the connection stands, told at once: an append in flight must not wait for its time limit when it falls. */
import type { NatsConnection } from "nats";

export interface ConnectionWatch {
  connected(): boolean;
  /** Calls `listener` at each loss (`false`) and renewal (`true`); the returned function forgets it. */
  onChange(listener: (connected: boolean) => void): () => void;
  /** Resolves true when the connection stands, false after `limitMs`. */
  whenConnected(limitMs: number): Promise<boolean>;
}

export function watchConnection(nc: NatsConnection): ConnectionWatch {
  const listeners = new Set<(connected: boolean) => void>();
  let up = !nc.isClosed();
  void (async () => {
    for await (const status of nc.status()) {
      if (status.type !== "disconnect" && status.type !== "reconnect") continue;
      up = status.type === "reconnect";
      for (const listener of listeners) listener(up);
    }
  })();
  const onChange: ConnectionWatch["onChange"] = (listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  };
  return {
    connected: () => up && !nc.isClosed(),
    onChange,
    whenConnected: (limitMs) =>
      new Promise((resolve) => {
        if (up) {
          resolve(true);
          return;
        }
        const finish = (answer: boolean): void => {
          clearTimeout(timer);
          forget();
          resolve(answer);
        };
        const forget = onChange((connected) => {
          if (connected) finish(true);
        });
        const timer = setTimeout(() => finish(false), limitMs);
      }),
  };
}
