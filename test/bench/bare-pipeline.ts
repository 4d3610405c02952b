/** The bare JetStream pipeline: the broker with the product's own configuration and accounts, and one small process a role. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { encodeEvent } from "../../bus/codec.ts";
import { connectBus } from "../../bus/connect.ts";
import type { StoredEvent } from "../../bus/event.ts";
import { ensureLog } from "../../bus/jetstream-setup.ts";
import { filters } from "../../bus/subjects.ts";
import { brokerFiles, writeBrokerConfig } from "../../ops/nats/config.ts";
import { mintKeys } from "../../ops/supervisor/prepare.ts";
import { NODE_FLAGS } from "../../ops/supervisor/process-list.ts";
import { runServer } from "../support/attack-stage.ts";
import { freePort, type System } from "../support/system.ts";
import type { BareRole, BareRound, BareSetup, BareTimes, Template } from "./bare-role.ts";
import { lastSeqAt } from "./product.ts";

const ROLE_FILE = join(fileURLToPath(import.meta.url), "..", "bare-role.ts");
/** As the product's first start on a disk with room. */
const MAX_LOG_BYTES = 1024 * 1024 * 1024;

const ROLES: Readonly<Record<BareRole, readonly string[]>> = {
  web: [],
  router: [filters.inbound, filters.commands, filters.turns, filters.chats, filters.tasks],
  "agent-runner": [],
  "ui-projection": ["log.>"],
  scheduler: [filters.commands, filters.tasks, filters.steps, filters.outs],
  stats: [filters.inbound, filters.outs],
};

export interface BarePipeline {
  run(round: BareRound): Promise<BareTimes>;
  lastSeq(): Promise<number>;
  /** Broker and roles. */
  readonly pids: readonly number[];
  stop(): Promise<void>;
}

/** The events of a turn of the product, as bytes, so that both pipelines move the same amount. */
export async function templatesOf(system: System, seqs: Iterable<number>): Promise<BareSetup["templates"]> {
  const names = {
    MessageReceived: "message",
    TurnRequested: "request",
    TurnClaimed: "claim",
    TurnCompleted: "end",
  } as const;
  const found: Partial<Record<keyof BareSetup["templates"], Template>> = {};
  for (const seq of seqs) {
    const event = (await system.api("GET", `/api/events/${seq}`)).body as unknown as StoredEvent;
    if (!(event.type in names)) continue;
    const { headers, payload } = encodeEvent(event, event.subject);
    found[names[event.type as keyof typeof names]] = { headers, payload: Buffer.from(payload).toString() };
  }
  const { message, request, claim, end } = found;
  if (message === undefined || request === undefined || claim === undefined || end === undefined)
    throw new Error("the log does not hold a whole turn");
  return { message, request, claim, end };
}

/** Starts broker and roles; resolves when all consume. */
export async function startBarePipeline(templates: BareSetup["templates"]): Promise<BarePipeline> {
  const home = await mkdtemp(join(tmpdir(), "taffrail-bare-"));
  const [port, monitorPort] = [await freePort(), await freePort()];
  const minted = await mintKeys(home);
  const { config } = await writeBrokerConfig({ home, port, monitorPort, minted, maxStoreBytes: 2 * MAX_LOG_BYTES });
  const broker = await runServer(config, monitorPort);
  const server = `127.0.0.1:${port}`;
  const children = new Map<BareRole, ChildProcess>();
  const stop = async (): Promise<void> => {
    for (const child of children.values()) {
      if (child.exitCode !== null) continue;
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    }
    await broker.stop();
    await rm(home, { recursive: true, force: true });
  };
  try {
    const maker = await connectBus({ server, credsFile: minted.credsFile("supervisor"), name: "supervisor" });
    await ensureLog(maker, { replicas: 1, maxBytes: MAX_LOG_BYTES });
    await maker.close();
    for (const [role, reads] of Object.entries(ROLES) as [BareRole, readonly string[]][]) {
      const setup: BareSetup = { server, credsFile: minted.credsFile(role), reads, templates };
      const child = spawn(process.execPath, [...NODE_FLAGS, "--import", "tsx", ROLE_FILE, role], {
        env: { ...process.env, BARE_SETUP: JSON.stringify(setup) },
        stdio: ["ignore", "ignore", "inherit", "ipc"],
      });
      children.set(role, child);
      const first = await Promise.race([once(child, "message"), once(child, "exit")]);
      if (first[0] !== "ready") throw new Error(`the bare ${role} does not start`);
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    async run(round) {
      const web = children.get("web");
      web?.send(round);
      const [times] = (await once(web!, "message")) as [BareTimes];
      return times;
    },
    lastSeq: () => lastSeqAt(monitorPort),
    pids: [
      Number(await readFile(brokerFiles(home).pid, "utf8")),
      ...[...children.values()].flatMap(({ pid }) => (pid === undefined ? [] : [pid])),
    ],
    stop,
  };
}
