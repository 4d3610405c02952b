/**
 * One process of the bare pipeline: what a process of Taffrail appends and consumes, with the same user, subjects, fences
 * and sizes, and nothing of Taffrail's code around it.
 * In: its role and the events' bytes from the parent, events from the broker. Out: appends, one live token a turn, to the
 * parent the times of a round. Never: parses a payload, keeps a checkpoint, survives its parent.
 */
import { readFileSync } from "node:fs";
import {
  AckPolicy,
  DeliverPolicy,
  jetstream,
  jetstreamManager,
  type JetStreamClient,
  type JsMsg,
} from "@nats-io/jetstream";
import { connect, credsAuthenticator, headers, type NatsConnection } from "nats";

export type BareRole = "web" | "router" | "agent-runner" | "ui-projection" | "scheduler" | "stats";

/** An event as bytes: header lines and payload of a real one. */
export interface Template {
  readonly headers: Readonly<Record<string, string>>;
  readonly payload: string;
}

export interface BareSetup {
  readonly server: string;
  readonly credsFile: string;
  /** Filters this role reads in order; none for web, the queue for the runner. */
  readonly reads: readonly string[];
  readonly templates: Readonly<Record<"message" | "request" | "claim" | "end", Template>>;
}

export interface BareRound {
  readonly round: number;
  readonly chats: number;
  readonly perChat: number;
}

/** Answer of the web role to a round. */
export interface BareTimes {
  readonly ms: number;
  readonly firstTokensMs: number[];
}

const role = process.argv[2] as BareRole;
const setup = JSON.parse(process.env["BARE_SETUP"] ?? "{}") as BareSetup;
const TOKEN = JSON.stringify({ turn: "x".repeat(43), epoch: 1, step: 1, offset: 0, text: "Hello, how can I help? " });

type Publish = (subject: string, template: Template, expected: number, fence?: string) => Promise<number>;

function publisher(js: JetStreamClient): Publish {
  return async (subject, template, expected, fence) => {
    const lines = headers();
    for (const [name, value] of Object.entries(template.headers)) lines.set(name, value);
    const expect = {
      lastSubjectSequence: expected,
      ...(fence === undefined ? {} : { lastSubjectSequenceSubject: fence }),
    };
    return (await js.publish(subject, template.payload, { headers: lines, expect })).seq;
  };
}

async function follow(nc: NatsConnection, js: JetStreamClient, onMessage: (message: JsMsg) => void): Promise<void> {
  const jsm = await jetstreamManager(nc, { checkAPI: false });
  const info = await jsm.consumers.add("LOG", {
    deliver_policy: DeliverPolicy.New,
    ack_policy: AckPolicy.None,
    mem_storage: true,
    ...(setup.reads.length === 1 ? { filter_subject: setup.reads[0] } : { filter_subjects: [...setup.reads] }),
  });
  await js.consumers.getConsumerFromInfo(info).consume({ callback: onMessage, max_messages: 256 });
}

/** Opens a turn for each message; the fence is the whole chat. */
async function runRouter(nc: NatsConnection, js: JetStreamClient, publish: Publish): Promise<void> {
  const lastOfChat = new Map<string, number>();
  await follow(nc, js, ({ subject, seq }) => {
    const [, kind, , chat = "", message = ""] = subject.split(".");
    if (kind === "turn") lastOfChat.set(chat, seq);
    if (kind !== "in") return;
    const turns = `log.turn.web.${chat}`;
    void publish(`${turns}.${message}.wake`, setup.templates.request, lastOfChat.get(chat) ?? 0, `${turns}.>`);
  });
}

/** Claims, says one token, ends; each with the fence of the turn. */
async function runRunner(nc: NatsConnection, js: JetStreamClient, publish: Publish): Promise<void> {
  const queue = await js.consumers.get("LOG", "wake");
  await queue.consume({
    max_messages: 64,
    callback: (wake) => {
      void (async () => {
        const turn = wake.subject.slice(0, -".wake".length);
        const claim = await publish(`${turn}.run.step`, setup.templates.claim, 0, `${turn}.run.>`);
        nc.publish(`live.web.${turn.split(".").slice(3).join(".")}`, TOKEN);
        await publish(`${turn}.run.out.web`, setup.templates.end, claim, `${turn}.>`);
        wake.ack();
      })();
    },
  });
}

/** Tells of each end, as the read model's feed does. */
async function runProjection(nc: NatsConnection, js: JetStreamClient): Promise<void> {
  await follow(nc, js, ({ subject }) => {
    const [, , , chat = "", turn = "", , kind] = subject.split(".");
    if (kind === "out") nc.publish(`feed.chat.web.${chat}`, turn);
  });
}

function runWeb(nc: NatsConnection, publish: Publish): void {
  const ends = new Map<string, () => void>();
  const tokens = new Map<string, () => void>();
  nc.subscribe("feed.chat.web.*", {
    callback: (_error, message) => ends.get(message.subject.split(".")[3] ?? "")?.(),
  });
  nc.subscribe("live.web.>", { callback: (_error, message) => tokens.get(message.subject.split(".")[2] ?? "")?.() });
  process.on("message", ({ round, chats, perChat }: BareRound) => {
    void (async () => {
      const startedMs = performance.now();
      const firstTokensMs: number[] = [];
      const talk = async (chat: string): Promise<void> => {
        for (let turn = 0; turn < perChat; turn++) {
          const askedMs = performance.now();
          const ended = new Promise<void>((resolve) => ends.set(chat, resolve));
          tokens.set(chat, () => firstTokensMs.push(performance.now() - askedMs));
          await publish(`log.in.web.${chat}.m${turn}-${chat}.0`, setup.templates.message, 0);
          await ended;
        }
      };
      await Promise.all(Array.from({ length: chats }, (_, index) => talk(`bare-${round}-${index}`)));
      const times: BareTimes = { ms: performance.now() - startedMs, firstTokensMs };
      process.send?.(times);
    })();
  });
}

process.on("disconnect", () => process.exit(0));
process.on("unhandledRejection", (error) => {
  console.error(role, error);
  process.exit(1);
});
const nc = await connect({
  servers: setup.server,
  inboxPrefix: `_INBOX_${role}`,
  authenticator: credsAuthenticator(readFileSync(setup.credsFile)),
});
const js = jetstream(nc);
const publish = publisher(js);
if (role === "web") runWeb(nc, publish);
else if (role === "router") await runRouter(nc, js, publish);
else if (role === "agent-runner") await runRunner(nc, js, publish);
else if (role === "ui-projection") await runProjection(nc, js);
else await follow(nc, js, () => undefined);
await nc.flush();
process.send?.("ready");
