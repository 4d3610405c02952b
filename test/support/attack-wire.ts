/**
 * A client that speaks the broker's protocol by hand: an attacker is not held to what a client library checks.
 * Everything sent is kept in order; `settle` returns when the server has worked on all of it.
 */
import { connect, type Socket } from "node:net";
import { fromSeed } from "@nats-io/nkeys";

export interface WireMessage {
  readonly subject: string;
  readonly reply: string;
  readonly headers: string;
  readonly payload: string;
}

const WAIT_MS = 10_000;
const utf8 = new TextEncoder();

/** JWT and seed of a credentials file. */
function partsOf(creds: Uint8Array): { jwt: string; seed: string } {
  const text = new TextDecoder().decode(creds);
  const [jwt = "", seed = ""] = [...text.matchAll(/-----BEGIN [^-]+-----\n([^\n]+)\n/g)].map((found) => found[1]);
  return { jwt, seed };
}

export class WireClient {
  /** The server's complaints, in order. */
  readonly errors: string[] = [];
  readonly messages: WireMessage[] = [];
  closed = false;
  readonly #socket: Socket;
  #buffer = Buffer.alloc(0);
  #pongsDue = 0;
  #waiters = new Set<() => void>();
  #sid = 0;
  #nonce = "";

  private constructor(port: number) {
    this.#socket = connect(port, "127.0.0.1");
    this.#socket.setNoDelay(true);
    this.#socket.on("data", (data) => this.#receive(data));
    const end = (): void => {
      this.closed = true;
      this.#notify();
    };
    this.#socket.on("close", end).on("error", end);
  }

  /** Connects with credentials, or with none; a refusal shows as `closed` with its reason in `errors`. */
  static async open(port: number, creds: Uint8Array | undefined, jwtOverride?: string): Promise<WireClient> {
    const client = new WireClient(port);
    await client.until(() => client.#nonce !== "" || client.closed);
    const options: Record<string, unknown> = { verbose: false, pedantic: false, headers: true, no_responders: true };
    if (creds !== undefined) {
      const { jwt, seed } = partsOf(creds);
      const signature = fromSeed(utf8.encode(seed)).sign(utf8.encode(client.#nonce));
      Object.assign(options, { jwt: jwtOverride ?? jwt, sig: Buffer.from(signature).toString("base64url") });
    }
    client.#write(`CONNECT ${JSON.stringify(options)}\r\n`);
    await client.settle();
    return client;
  }

  publish(subject: string, payload = "", options: { reply?: string; headers?: Record<string, string> } = {}): void {
    const reply = options.reply === undefined ? "" : ` ${options.reply}`;
    const body = utf8.encode(payload);
    if (options.headers === undefined) {
      this.#write(`PUB ${subject}${reply} ${body.length}\r\n${payload}\r\n`);
      return;
    }
    const lines = Object.entries(options.headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const block = `NATS/1.0\r\n${lines.join("")}\r\n`;
    const headerBytes = utf8.encode(block).length;
    this.#write(`HPUB ${subject}${reply} ${headerBytes} ${headerBytes + body.length}\r\n${block}${payload}\r\n`);
  }

  subscribe(subject: string): void {
    this.#write(`SUB ${subject} ${++this.#sid}\r\n`);
  }

  /** Bytes as they are; false when the socket takes no more for now. */
  raw(bytes: Uint8Array): boolean {
    return !this.closed && this.#socket.write(bytes);
  }

  drained(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#socket.off("drain", done).off("close", done);
        resolve();
      };
      if (this.closed) resolve();
      else this.#socket.once("drain", done).once("close", done);
    });
  }

  /** Resolves when the server has worked on everything sent so far, or has closed the connection. */
  async settle(): Promise<void> {
    if (this.closed) return;
    this.#pongsDue++;
    this.#write("PING\r\n");
    await this.until(() => this.#pongsDue === 0 || this.closed);
  }

  /** The first message that `fits`, once it is there; undefined when none comes within `waitMs`. */
  async message(fits: (message: WireMessage) => boolean, waitMs = WAIT_MS): Promise<WireMessage | undefined> {
    await this.until(() => this.messages.some(fits) || this.closed, waitMs).catch(() => undefined);
    return this.messages.find(fits);
  }

  /** Sends a request to be answered under `inbox` (which must be subscribed) and returns the answer. */
  async request(
    subject: string,
    payload: string,
    inbox: string,
    headers?: Record<string, string>,
    waitMs = WAIT_MS,
  ): Promise<WireMessage | undefined> {
    const reply = `${inbox}.${this.messages.length}-${this.errors.length}-${++this.#sid}`;
    this.publish(subject, payload, { reply, ...(headers === undefined ? {} : { headers }) });
    return this.message((message) => message.subject === reply, waitMs);
  }

  async until(holds: () => boolean, waitMs = WAIT_MS): Promise<void> {
    if (holds()) return;
    await new Promise<void>((resolve, reject) => {
      const check = (): void => {
        if (!holds()) return;
        clearTimeout(timer);
        this.#waiters.delete(check);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#waiters.delete(check);
        reject(new Error(`waited in vain; the server said: ${this.errors.join("; ")}`));
      }, waitMs);
      this.#waiters.add(check);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #write(text: string): void {
    if (!this.closed) this.#socket.write(text);
  }

  #notify(): void {
    for (const check of this.#waiters) check();
  }

  #receive(data: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, data]);
    for (let end = this.#buffer.indexOf("\r\n"); end >= 0; end = this.#buffer.indexOf("\r\n")) {
      const line = this.#buffer.subarray(0, end).toString("utf8");
      const size = /^H?MSG /.test(line) ? Number(line.split(" ").at(-1)) : undefined;
      const next = end + 2 + (size === undefined ? 0 : size + 2);
      if (this.#buffer.length < next) break;
      this.#take(line, this.#buffer.subarray(end + 2, Math.max(end + 2, next - 2)));
      this.#buffer = this.#buffer.subarray(next);
    }
    this.#notify();
  }

  #take(line: string, body: Buffer): void {
    if (line.startsWith("INFO ")) {
      const info = JSON.parse(line.slice(5)) as { nonce?: string };
      this.#nonce = info.nonce ?? this.#nonce;
    } else if (line === "PING") this.#write("PONG\r\n");
    else if (line === "PONG") this.#pongsDue--;
    else if (line.startsWith("-ERR")) this.errors.push(line.slice(5).replaceAll(/^'|'$/g, ""));
    else if (line.startsWith("MSG ") || line.startsWith("HMSG ")) {
      const words = line.split(" ");
      const withHeaders = words[0] === "HMSG";
      const fixed = withHeaders ? 5 : 4;
      const headerBytes = withHeaders ? Number(words.at(-2)) : 0;
      this.messages.push({
        subject: words[1] ?? "",
        reply: words.length > fixed ? (words[3] ?? "") : "",
        headers: body.subarray(0, headerBytes).toString("utf8"),
        payload: body.subarray(headerBytes).toString("utf8"),
      });
    }
  }
}
