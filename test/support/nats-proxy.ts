/** A TCP proxy before the broker that loses bytes of one direction, delays them, cuts connections and heals. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

export interface NatsProxy {
  /** `host:port` for clients. */
  readonly server: string;
  /** From now on nothing that the broker says arrives: an append is stored and its answer lost. */
  dropToClients(): void;
  /** From now on nothing that clients say arrives: acks are lost. */
  dropToBroker(): void;
  /** From now on bytes of both directions are held back, in order, until `heal`. */
  stall(): void;
  /** Closes all connections; new ones are accepted. */
  cut(): void;
  /** Closes all connections and refuses new ones until `heal`. */
  refuse(): void;
  /**
   * Everything passes again. A connection that lost bytes is cut, because its protocol is broken; what was stalled is
   * passed on.
   */
  heal(): void;
  /** Open connections. */
  readonly connections: number;
  close(): Promise<void>;
}

interface Connection {
  readonly client: Socket;
  readonly broker: Socket;
  lost: boolean;
  held: { to: Socket; data: Buffer }[];
}

/** @param targetPort port of the broker on 127.0.0.1 */
export async function startNatsProxy(targetPort: number): Promise<NatsProxy> {
  const connections = new Set<Connection>();
  let mode: "pass" | "drop to clients" | "drop to broker" | "stall" | "refuse" = "pass";

  const server = createServer((client) => {
    if (mode === "refuse") {
      client.destroy();
      return;
    }
    const connection: Connection = { client, broker: connect(targetPort, "127.0.0.1"), lost: false, held: [] };
    connections.add(connection);
    const end = (): void => {
      connections.delete(connection);
      client.destroy();
      connection.broker.destroy();
    };
    const pass = (from: Socket, to: Socket, lossy: typeof mode): void => {
      from.setNoDelay(true);
      from.on("data", (data: Buffer) => {
        if (mode === "stall") connection.held.push({ to, data });
        else if (mode === lossy) connection.lost = true;
        // A lost direction stays lost: the bytes behind a gap would be read as something else.
        else if (!connection.lost || mode !== "pass") to.write(data);
      });
      from.on("error", end);
      from.on("close", end);
    };
    pass(client, connection.broker, "drop to broker");
    pass(connection.broker, client, "drop to clients");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the proxy has no port");

  const cutAll = (wanted: (connection: Connection) => boolean): void => {
    for (const connection of connections) {
      if (!wanted(connection)) continue;
      connection.client.destroy();
      connection.broker.destroy();
    }
  };
  return {
    server: `127.0.0.1:${address.port}`,
    get connections() {
      return connections.size;
    },
    dropToClients: () => (mode = "drop to clients"),
    dropToBroker: () => (mode = "drop to broker"),
    stall: () => (mode = "stall"),
    cut: () => cutAll(() => true),
    refuse() {
      mode = "refuse";
      cutAll(() => true);
    },
    heal() {
      mode = "pass";
      cutAll((connection) => connection.lost);
      for (const connection of connections) {
        for (const { to, data } of connection.held) to.write(data);
        connection.held = [];
      }
    },
    async close() {
      const closed = once(server, "close");
      server.close();
      cutAll(() => true);
      await closed;
    },
  };
}
