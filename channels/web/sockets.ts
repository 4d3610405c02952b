/**
 * The page's sockets: each follows some chats from a cursor. Feeds only carry changes; whenever one is missing, the read model
 * is asked again, so that the page has no gap and repeats are harmless (items are replaced by key).
 */
import type { WebSocket } from "ws";
import { TaffrailError, describeError } from "../../bus/errors.ts";
import type { Live } from "../../bus/live.ts";
import { encodeToken, liveSubjects } from "../../bus/subjects.ts";
import type { ChatView, ClientFrame, HealthView, ItemView, ServerFrame } from "../../schemas/views.ts";
import type { EventRow } from "../../schemas/views.ts";
import { checkId } from "./translate.ts";

const CHANNEL = "web";
/** A reader that does not read: it is closed and comes back with its cursor. */
const MAX_BUFFERED_BYTES = 2_000_000;
/** One page follows one or two chats; tabs have a socket of their own. */
const MAX_CHATS_PER_SOCKET = 8;
/** Pages open at once; a person has some devices with some tabs. */
export const MAX_SOCKETS = 100;
const QUERY_TIMEOUT_MS = 3_000;
/** Rows of the log view sent at first: some screens full. */
const EVENTS_PER_WINDOW = 200;
/** The whole list of chats is sent at most this often, to all pages. */
const CHATS_EVERY_MS = 1_000;
/** Waited for the first time after a pause: a turn's first events come together. */
const CHATS_DELAY_MS = 100;
const STATUS_EVERY_MS = 5_000;
/** A killed read model is back within a second; one that is built again takes longer. */
const FIRST_RETRY_MS = 250;
const MAX_RETRY_MS = 10_000;

interface Feed {
  chat: string;
  after: number;
  cursor: number;
  items: ItemView[];
  rows: EventRow[];
  ask: boolean;
}

interface Following {
  readonly chat: string;
  items: boolean;
  events: boolean;
  /** Chat sequence up to which the page was told items, and events. */
  cursor: number;
  eventCursor: number;
  /** Feeds that came while an answer is awaited. */
  asking: number;
  again: boolean;
  /** Waited before the next question after a failure. */
  retryMs: number;
}

interface PartialText {
  turn: string;
  epoch: number;
  step: number;
  attempt: number;
  text: string;
}

function isPartial(data: unknown): data is PartialText {
  const { turn, epoch, step, attempt, text } = (data ?? {}) as Record<string, unknown>;
  const numbers = [epoch, step, attempt].every((one) => Number.isSafeInteger(one));
  return typeof turn === "string" && typeof text === "string" && numbers;
}

function isToken(data: unknown): data is PartialText & { offset: number } {
  return isPartial(data) && Number.isSafeInteger((data as PartialText & { offset?: unknown }).offset);
}

export interface Sockets {
  add(socket: WebSocket): void;
  count(): number;
  close(): void;
}

export interface SocketParts {
  readonly live: Live;
  readonly version: string;
  /** Calls the listener when the broker is back after a loss; returns what forgets it. */
  readonly onReconnect: (listener: () => void) => () => void;
}

export function createSockets({ live, version, onReconnect }: SocketParts): Sockets {
  /** By encoded chat, so that a subject finds its readers. */
  const readers = new Map<string, Set<Page>>();
  const pages = new Set<Page>();
  let chatsTimer: NodeJS.Timeout | undefined;
  let chatsSentMs = -CHATS_EVERY_MS;
  let chats: ChatView[] = [];

  const query = (service: string, name: string, data: unknown): Promise<unknown> =>
    live.request(liveSubjects.query(service, name), data, QUERY_TIMEOUT_MS).then((answer) => {
      const { error } = (answer ?? {}) as { error?: { code: string; message: string } };
      if (error !== undefined) throw new TaffrailError("NOT_FOUND", `${error.code}: ${error.message}`);
      return answer;
    });

  class Page {
    readonly #socket: WebSocket;
    readonly #chats = new Map<string, Following>();
    constructor(socket: WebSocket) {
      this.#socket = socket;
    }

    send(frame: ServerFrame | string): void {
      if (this.#socket.readyState !== this.#socket.OPEN) return;
      if (this.#socket.bufferedAmount > MAX_BUFFERED_BYTES) {
        this.#socket.close(1013, "the page does not keep up");
        return;
      }
      this.#socket.send(typeof frame === "string" ? frame : JSON.stringify(frame));
    }

    /** Feeds and tokens may have been missed: asks for everything that is followed, from where the page stands. */
    resume(): void {
      for (const following of this.#chats.values()) {
        if (following.items) void this.#ask(following, "items", true);
        if (following.events) void this.#ask(following, "events", true);
      }
    }

    refuse(error: unknown, chat?: string): void {
      const known = error instanceof TaffrailError ? error : new TaffrailError("BUS_UNAVAILABLE", describeError(error));
      const { code, message, action } = known;
      this.send({ type: "error", code, message, action, ...(chat === undefined ? {} : { chat }) });
    }

    receive(text: string): void {
      let frame: ClientFrame;
      try {
        frame = JSON.parse(text) as ClientFrame;
      } catch {
        this.refuse(new TaffrailError("REQUEST_INVALID", "a frame must be JSON"));
        return;
      }
      const type: unknown = (frame as { type?: unknown } | null)?.type;
      if (type === "ping") {
        this.send({ type: "pong" });
        return;
      }
      const { chat, after } = (frame ?? {}) as { chat?: unknown; after?: unknown };
      const checked = checkId(chat, "chat");
      if (!checked.ok) this.refuse(new TaffrailError("REQUEST_INVALID", checked.problem));
      else if (type === "unsubscribe") this.#drop(checked.value, "items");
      else if (type === "unsubscribe-events") this.#drop(checked.value, "events");
      else if (type !== "subscribe" && type !== "subscribe-events")
        this.refuse(new TaffrailError("REQUEST_INVALID", "the type of the frame is not known"));
      else if (!Number.isSafeInteger(after) || Number(after) < 0)
        this.refuse(new TaffrailError("REQUEST_INVALID", "after must be a whole number from 0"));
      else this.#follow(checked.value, Number(after), type === "subscribe" ? "items" : "events");
    }

    #follow(chat: string, after: number, what: "items" | "events"): void {
      let following = this.#chats.get(chat);
      if (following === undefined) {
        if (this.#chats.size >= MAX_CHATS_PER_SOCKET) {
          this.refuse(
            new TaffrailError("REQUEST_INVALID", `a socket follows at most ${MAX_CHATS_PER_SOCKET} chats`),
            chat,
          );
          return;
        }
        following = {
          chat,
          items: false,
          events: false,
          cursor: 0,
          eventCursor: 0,
          asking: 0,
          again: false,
          retryMs: FIRST_RETRY_MS,
        };
        this.#chats.set(chat, following);
        const token = encodeToken(chat);
        const set = readers.get(token) ?? new Set();
        readers.set(token, set.add(this));
      }
      following[what] = true;
      if (what === "items") following.cursor = after;
      else following.eventCursor = after;
      void this.#ask(following, what, true);
    }

    #drop(chat: string, what: "items" | "events"): void {
      const following = this.#chats.get(chat);
      if (following === undefined) return;
      following[what] = false;
      if (following.items || following.events) return;
      this.#chats.delete(chat);
      const token = encodeToken(chat);
      readers.get(token)?.delete(this);
      if (readers.get(token)?.size === 0) readers.delete(token);
    }

    /** Asks the read model for what the page does not have; whatever comes meanwhile is asked for again. */
    async #ask(following: Following, what: "items" | "events", first: boolean): Promise<void> {
      const { chat } = following;
      following.asking++;
      try {
        const after = what === "items" ? following.cursor : following.eventCursor;
        const answer = (await query("ui-projection", what, {
          channel: CHANNEL,
          chat,
          after,
          ...(what === "events" ? { limit: EVENTS_PER_WINDOW } : {}),
        })) as {
          items: ItemView[];
          rows: EventRow[];
          cursor: number;
          reset: boolean;
          more?: boolean;
          running?: string;
        };
        if (this.#chats.get(chat) !== following || !following[what]) return;
        following.retryMs = FIRST_RETRY_MS;
        const { cursor, reset } = answer;
        if (what === "items") {
          following.cursor = cursor;
          this.send({ type: "items", chat, items: answer.items, cursor, reset });
          if (first && answer.running !== undefined) await this.#partial(chat, answer.running);
        } else {
          following.eventCursor = cursor;
          const more = answer.more === undefined ? {} : { more: answer.more };
          this.send({ type: "events", chat, rows: answer.rows, cursor, reset, ...more });
        }
      } catch (error) {
        // A process that restarts is back before a person could act on a word about it; the status line shows it.
        if (!(error instanceof TaffrailError && error.retryable)) this.refuse(error, chat);
        setTimeout(() => {
          if (this.#chats.get(chat) === following && following[what]) void this.#ask(following, what, first);
        }, following.retryMs).unref();
        following.retryMs = Math.min(following.retryMs * 2, MAX_RETRY_MS);
      } finally {
        following.asking--;
        if (following.asking === 0 && following.again) {
          following.again = false;
          if (following.items) void this.#ask(following, "items", false);
          if (following.events) void this.#ask(following, "events", false);
        }
      }
    }

    /** The text so far of a turn that streams now; nobody answers when none does. */
    async #partial(chat: string, turn: string): Promise<void> {
      const answer = await live
        .request(liveSubjects.query("agent-runner", "partial"), { turn }, 500)
        .catch(() => undefined);
      if (isPartial(answer)) this.send({ type: "partial", chat, ...answer });
    }

    feed(feed: Feed): void {
      const following = this.#chats.get(feed.chat);
      if (following === undefined) return;
      if (following.asking > 0) {
        following.again = true;
        return;
      }
      if (following.items && feed.cursor > following.cursor) {
        // Items in hand may be newer than `after` says (an answer ran ahead): they are replaced by key, no harm.
        if (feed.ask || feed.after > following.cursor) void this.#ask(following, "items", false);
        else {
          following.cursor = feed.cursor;
          this.send({ type: "items", chat: feed.chat, items: feed.items, cursor: feed.cursor, reset: false });
        }
      }
      if (following.events && feed.cursor > following.eventCursor) {
        if (feed.ask || feed.after > following.eventCursor) void this.#ask(following, "events", false);
        else {
          following.eventCursor = feed.cursor;
          this.send({ type: "events", chat: feed.chat, rows: feed.rows, cursor: feed.cursor, reset: false });
        }
      }
    }

    /** Passes a piece of an answer on; the page sorts out epochs and offsets. */
    token(token: string, data: unknown): void {
      for (const { chat, items } of this.#chats.values()) {
        if (!items || encodeToken(chat) !== token) continue;
        if (isToken(data)) this.send({ type: "token", chat, ...data });
      }
    }

    leave(): void {
      for (const chat of this.#chats.keys()) {
        this.#drop(chat, "items");
        this.#drop(chat, "events");
      }
      pages.delete(this);
    }
  }

  async function sendChats(to: Iterable<Page>): Promise<void> {
    const answer = (await query("ui-projection", "chats", {})) as { chats: ChatView[] };
    chats = answer.chats.filter((chat) => chat.channel === CHANNEL);
    const frame = JSON.stringify({ type: "chats", chats } satisfies ServerFrame);
    for (const page of to) page.send(frame);
  }

  async function sendStatus(to: Iterable<Page>): Promise<void> {
    const health = (await query("stats", "health", {}).catch((error: unknown) => ({
      ready: false,
      reason: `the stats process does not answer: ${describeError(error)}`,
      version,
      processes: [],
    }))) as HealthView;
    const frame = JSON.stringify({ type: "status", health } satisfies ServerFrame);
    for (const page of to) page.send(frame);
  }

  function resumeAll(): void {
    if (pages.size === 0) return;
    for (const page of pages) page.resume();
    sendChats(pages).catch(() => undefined);
    void sendStatus(pages);
  }

  function chatsChanged(): void {
    if (pages.size === 0) return;
    chatsTimer ??= setTimeout(
      () => {
        chatsTimer = undefined;
        chatsSentMs = performance.now();
        sendChats(pages).catch(() => undefined);
      },
      Math.max(CHATS_DELAY_MS, chatsSentMs + CHATS_EVERY_MS - performance.now()),
    );
  }

  const ends = [
    onReconnect(resumeAll),
    live.subscribe(`live.${CHANNEL}.>`, (data, subject) => {
      const token = subject.split(".")[2] ?? "";
      for (const page of readers.get(token) ?? []) page.token(token, data);
    }),
    live.subscribe(`feed.chat.${CHANNEL}.*`, (data, subject) => {
      for (const page of readers.get(subject.split(".")[3] ?? "") ?? []) page.feed(data as Feed);
      chatsChanged();
    }),
    live.subscribe(liveSubjects.feedChats, (data) => {
      if (pages.size === 0) return;
      // Killed between a commit and its feed, the projection does not know that the feed is missing.
      if ((data as { started?: unknown }).started === true) {
        resumeAll();
        return;
      }
      chatsChanged();
    }),
  ];
  const statusTimer = setInterval(() => {
    if (pages.size > 0) void sendStatus(pages);
  }, STATUS_EVERY_MS);

  return {
    count: () => pages.size,
    add(socket) {
      const page = new Page(socket);
      pages.add(page);
      socket.on("message", (data: Buffer, binary: boolean) => {
        if (binary) page.refuse(new TaffrailError("REQUEST_INVALID", "a frame must be text"));
        else page.receive(data.toString("utf8"));
      });
      socket.on("close", () => page.leave());
      socket.on("error", () => socket.terminate());
      page.send({ type: "hello", version });
      void sendStatus([page]);
      sendChats([page]).catch((error: unknown) => page.refuse(error));
    },
    close() {
      for (const end of ends) end();
      clearInterval(statusTimer);
      clearTimeout(chatsTimer);
    },
  };
}
