/**
 * An OpenAI-style model on the wire that does what the message says, so that many turns at once stay in step with the test.
 * `say <tag> <n>`: n words `<tag>-1 <tag>-2 …`; `note <tag> <n>`: first the tool `remember` with the tag, then the words.
 * `use <tools> <tag> <n>`: first these tools, `,` between those of one step and `;` between steps; `loop <tag> <n>`: for ever `echo`.
 * In: HTTP of the real client. Out: server-sent events, a word at a time, as far as the test allows. Owns: its port.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { openAiFormat } from "../support/model-servers/index.ts";

/** What goes wrong with one request: a status, a fault in the stream, or silence. */
export type Trouble =
  { kind: "status"; status: number; headers?: Record<string, string> } | { kind: "garbage" | "broken" | "hang" };

export interface ToldModel {
  /** For TAFFRAIL_MODEL_BASE_URL. */
  readonly baseUrl: string;
  /** At most `words` words of the answer to `tag` are sent, until more are allowed. */
  hold(tag: string, words: number): void;
  /** All words of `tag` may go. */
  release(tag: string): void;
  /** The next requests for `tag` meet these, one each. */
  trouble(tag: string, ...troubles: Trouble[]): void;
  /** How often the words of `tag` (not its tool call) were asked for. */
  asked(tag: string): number;
  /** Closes the port; `up` opens the same one again. */
  down(): Promise<void>;
  up(): Promise<void>;
  close(): Promise<void>;
}

interface Wish {
  readonly tag: string;
  readonly count: number;
  /** Names of tools, by step. */
  readonly steps: readonly (readonly string[])[];
}

interface Spoken {
  readonly role: string;
  readonly content?: unknown;
  readonly tool_calls?: readonly unknown[];
}

const WISH = /^(say|note|loop|use ([a-z,;]+)) ([A-Za-z0-9]+) (\d+)$/;
/** More steps than any limit of steps. */
const FOR_EVER = 1_000;

/** The whole answer to `say <tag> <count>`. */
export function wordsOf(tag: string, count: number): string {
  return Array.from({ length: count }, (_, index) => `${tag}-${index + 1}`).join(" ");
}

/** The newest wish of the conversation; a message that joined a running turn is one of its own. */
function wishOf(messages: readonly Spoken[]): Wish | undefined {
  const last = messages.findLast((message) => message.role === "user");
  const [, verb = "", tools = "", tag = "", count = ""] = WISH.exec(textOf(last?.content)) ?? [];
  if (verb === "") return undefined;
  const steps =
    verb === "note"
      ? [["remember"]]
      : verb === "loop"
        ? Array.from({ length: FOR_EVER }, () => ["echo"])
        : tools.split(";").map((step) => step.split(",").filter((name) => name !== ""));
  return { tag, count: Number(count), steps: steps.filter((names) => names.length > 0) };
}

/** What `time` cannot take is its refusal. */
function argumentsOf(name: string, tag: string): Record<string, unknown> {
  if (name === "time") return { zone: "Europe/Berlin" };
  if (name === "mars") return { zone: "Mars/Base" };
  return name === "recall" ? {} : { text: tag };
}

function textOf(content: unknown): string {
  if (typeof content === "string") return content.trim();
  const parts = Array.isArray(content) ? (content as { text?: string }[]) : [];
  return parts
    .map((part) => part.text ?? "")
    .join("")
    .trim();
}

export async function startToldModel(): Promise<ToldModel> {
  const allowed = new Map<string, number>();
  const troubles = new Map<string, Trouble[]>();
  const askedFor = new Map<string, number>();
  let moved = new AbortController();
  const wake = (): void => {
    moved.abort();
    moved = new AbortController();
  };

  async function mayGo(tag: string, words: number, response: ServerResponse): Promise<boolean> {
    while ((allowed.get(tag) ?? Infinity) < words && !response.destroyed) {
      const { signal } = moved;
      await Promise.race([once(signal, "abort"), once(response, "close")]);
    }
    return !response.destroyed;
  }

  async function speak(response: ServerResponse, wish: Wish, trouble: Trouble | undefined): Promise<void> {
    const { tag, count } = wish;
    response.writeHead(200, { "content-type": openAiFormat.contentType });
    if (trouble?.kind === "garbage") return void response.end("%PDF-1.7 \u0000 this is no answer\n\n{{{\n\n");
    const text = Array.from({ length: count }, (_, index) => `${index === 0 ? "" : " "}${tag}-${index + 1}`);
    const frames = openAiFormat.frames({ text });
    // The first frame opens the answer, then a frame a word, then the end.
    for (const [index, frame] of frames.entries()) {
      if (!(await mayGo(tag, Math.min(index, count), response))) return;
      response.write(frame);
      if (trouble?.kind === "broken" && index === Math.ceil(count / 2)) {
        // What was written must leave before the line is cut, or nothing was said at all.
        return void response.write("", () => response.destroy());
      }
    }
    response.end();
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const { messages } = JSON.parse(Buffer.concat(parts).toString()) as { messages: Spoken[] };
    response.socket?.setNoDelay(true);
    const wish = wishOf(messages);
    if (wish === undefined)
      return void response.writeHead(400).end(openAiFormat.errorBody(400, "the message is no wish"));
    const { tag, steps } = wish;
    const since = messages.slice(messages.findLastIndex((message) => message.role === "user"));
    const done = since.filter(({ tool_calls: calls = [] }) => calls.length > 0).length;
    const names = steps[done];
    if (names !== undefined) {
      response.writeHead(200, { "content-type": openAiFormat.contentType });
      const calls = names.map((name, index) => ({
        id: `call-${tag}${done + index === 0 ? "" : `-${done}-${index}`}`,
        name: name === "mars" ? "time" : name,
        json: JSON.stringify(argumentsOf(name, tag)),
      }));
      return void response.end(openAiFormat.frames({ calls }).join(""));
    }
    askedFor.set(tag, (askedFor.get(tag) ?? 0) + 1);
    const trouble = troubles.get(tag)?.shift();
    if (trouble?.kind === "hang") return;
    if (trouble?.kind === "status") {
      response.writeHead(trouble.status, { "content-type": "application/json", ...trouble.headers });
      return void response.end(openAiFormat.errorBody(trouble.status, "scripted failure"));
    }
    await speak(response, wish, trouble);
  }

  let port = 0;
  async function listen(): Promise<Server> {
    const server = createServer((request, response) => {
      answer(request, response).catch(() => response.destroy());
    });
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("the model server has no port");
    ({ port } = address);
    return server;
  }

  async function stop(server: Server): Promise<void> {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  }

  let server: Server | undefined = await listen();
  const down = async (): Promise<void> => {
    const open = server;
    server = undefined;
    wake();
    if (open !== undefined) await stop(open);
  };
  return {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    hold(tag, words) {
      allowed.set(tag, words);
      wake();
    },
    release(tag) {
      allowed.delete(tag);
      wake();
    },
    trouble: (tag, ...more) => void troubles.set(tag, [...(troubles.get(tag) ?? []), ...more]),
    asked: (tag) => askedFor.get(tag) ?? 0,
    down,
    async up() {
      server ??= await listen();
    },
    close: down,
  };
}
