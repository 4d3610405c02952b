// A model server on a free loopback port, played from scripts.
// In: HTTP requests of the real client. Out: bytes as the format has them, or a fault. Owns: its port and sockets.
import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingHttpHeaders, ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import type { Script, WireFormat } from "./script.ts";

export interface RecordedRequest {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  /** The parsed JSON body; undefined when there was none. */
  body: unknown;
  /** Settles when the answer's connection is over: `finished` by us, `closed` by the client. */
  ended: Promise<"finished" | "closed">;
}

export interface ModelServer {
  /** `http://127.0.0.1:<port>` without a path. */
  origin: string;
  /** Every request so far, in order. */
  requests: RecordedRequest[];
  /** Only those that asked for an answer. */
  questions: RecordedRequest[];
  /** Queues answers; one request takes one. Without any left the server answers 500. */
  play(...scripts: Script[]): void;
  close(): Promise<void>;
}

/** Starts a server of one format. */
export async function startModelServer(format: WireFormat): Promise<ModelServer> {
  const scripts: Script[] = [];
  const requests: RecordedRequest[] = [];
  const questions: RecordedRequest[] = [];
  const server = createServer((request, response) => {
    void (async () => {
      const parts: Buffer[] = [];
      for await (const part of request) parts.push(part as Buffer);
      const text = Buffer.concat(parts).toString();
      const recorded: RecordedRequest = {
        method: request.method ?? "",
        path: request.url ?? "",
        headers: request.headers,
        body: text === "" ? undefined : JSON.parse(text),
        ended: once(response, "close").then(() => (response.writableFinished ? "finished" : "closed")),
      };
      requests.push(recorded);
      response.socket?.setNoDelay(true);
      if (!format.asksForAnswer(recorded.method, recorded.path)) {
        const { status, body } = format.other(recorded.method, recorded.path);
        return void response.writeHead(status, { "content-type": "application/json" }).end(body);
      }
      questions.push(recorded);
      const script = scripts.shift() ?? { fault: { kind: "status", status: 500, echo: "no script left" } };
      await answer(response, script, format);
    })().catch(() => response.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the model server has no port");
  return {
    origin: `http://127.0.0.1:${address.port}`,
    requests,
    questions,
    play: (...more) => void scripts.push(...more),
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function answer(response: ServerResponse, script: Script, format: WireFormat): Promise<void> {
  const fault = script.fault;
  if (fault?.kind === "hang") return;
  if (fault?.kind === "status") {
    response.writeHead(fault.status, { "content-type": "application/json", ...fault.headers });
    return void response.end(format.errorBody(fault.status, fault.echo ?? "scripted failure"));
  }
  if (fault?.kind === "html") {
    return void response
      .writeHead(200, { "content-type": "text/html" })
      .end("<html><body>A router's page</body></html>");
  }
  response.writeHead(200, { "content-type": format.contentType });
  if (fault?.kind === "garbage") return void response.end("%PDF-1.7 \u0000\u0001 this is no answer\n\n{{{\n\n");
  const frames = format.frames(script);
  const sent = fault === undefined ? frames : frames.slice(0, Math.ceil(frames.length / 2));
  for (const [index, frame] of sent.entries()) {
    if (index === Math.ceil(frames.length / 2)) await script.pauseUntil;
    await writeFrame(response, frame, script.splitUtf8 ?? false);
    if (script.frameDelayMs !== undefined) await delay(script.frameDelayMs);
    if (response.destroyed) return;
  }
  switch (fault?.kind) {
    case "broken-mid":
      return void response.destroy();
    case "hang-mid":
      return;
    case "garbage-mid":
      return void response.end(format.brokenFrame);
    case "error-mid":
      return void response.end(format.errorFrame);
    default:
      response.end();
  }
}

async function writeFrame(response: ServerResponse, frame: string, splitUtf8: boolean): Promise<void> {
  const bytes = Buffer.from(frame);
  if (!splitUtf8) return void response.write(bytes);
  let start = 0;
  for (let index = 1; index < bytes.length; index++) {
    // A continuation byte: cut before it, so that the character's parts travel in different writes.
    if (((bytes[index] ?? 0) & 0xc0) !== 0x80) continue;
    response.write(bytes.subarray(start, index));
    start = index;
    // The kernel joins writes that follow at once.
    await delay(3);
  }
  response.write(bytes.subarray(start));
}
