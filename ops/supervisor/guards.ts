/**
 * The guards over log, disk and channels. In: stream figures, free space, bytes per account. Out: `intake.pause`,
 * IntakePaused, IntakeResumed, ChannelClosed. Owns: who may write how much. Never: deletes anything.
 */
import { Agent } from "node:http";
import { jetstreamManager } from "@nats-io/jetstream";
import { channelAccountName, SYS_USER, type Minted } from "../../bus/accounts/minting.ts";
import { closeAccount, openAccount } from "../../bus/accounts/push.ts";
import { everyAligned } from "../../bus/aligned-timer.ts";
import { connectBus, type NatsConnection } from "../../bus/connect.ts";
import { describeError } from "../../bus/errors.ts";
import type { Live } from "../../bus/live.ts";
import { liveSubjects, STREAM } from "../../bus/subjects.ts";
import { freeBytes } from "./checks.ts";
import { quietChannel, watchFlood, type FloodState } from "./flood-watch.ts";
import { intakeReason } from "./intake-guard.ts";
import { accountLoad } from "./monitor.ts";
import type { Output } from "./output.ts";
import type { ProcessLog } from "./process-log.ts";

/** A disk that fills at 50 MB/s does not get through the reserve within one turn. */
const EVERY_MS = 5_000;
/** Said again at each turn, for a channel that was restarted or missed it. */
const REPEAT_PAUSE_MS = EVERY_MS / 2;
const ASK_LIMIT_MS = 1_500;
/** JetStream silent for this many turns while the broker's health says ok. */
const SILENT_ALLOWED = 3;

export interface GuardOptions {
  readonly home: string;
  readonly nc: NatsConnection;
  readonly live: Live;
  readonly server: string;
  readonly monitorPort: number;
  readonly minted: Minted;
  readonly channels: readonly string[];
  readonly processLog: ProcessLog;
  readonly output: Output;
  brokerReady(): boolean;
  brokerSilent(reason: string): void;
  changed(): void;
}

export interface Guards {
  /** Why intake is paused, undefined while it runs. */
  readonly paused: string | undefined;
  stop(): void;
}

export async function startGuards(options: GuardOptions): Promise<Guards> {
  const jsm = await jetstreamManager(options.nc, { checkAPI: false, timeout: ASK_LIMIT_MS });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const floods = new Map<string, FloodState>();
  let paused: string | undefined;
  let saidAtMs = 0;
  let silent = 0;
  let stopped = false;
  let busy = false;

  async function guardIntake(): Promise<void> {
    const info = await jsm.streams.info(STREAM).catch(() => undefined);
    silent = info === undefined && options.brokerReady() ? silent + 1 : 0;
    if (silent >= SILENT_ALLOWED) {
      silent = 0;
      options.brokerSilent("JetStream does not answer");
    }
    const room = {
      logBytes: info?.state.bytes ?? 0,
      maxBytes: info?.config.max_bytes ?? Number.MAX_SAFE_INTEGER,
      freeBytes: freeBytes(options.home),
    };
    // Without figures of the log its last state stays.
    const reason =
      info === undefined ? (paused ?? intakeReason(room, false)) : intakeReason(room, paused !== undefined);
    const nowMs = Date.now();
    if ((reason === undefined) !== (paused === undefined)) {
      const type = reason === undefined ? "IntakeResumed" : "IntakePaused";
      const text = reason ?? "there is room again";
      options.processLog.record(type, String(nowMs), { process: "supervisor", reason: text });
      options.output.say(
        reason === undefined ? "info" : "warn",
        `intake ${reason === undefined ? "resumed" : "paused"}: ${text}`,
      );
      paused = reason;
      saidAtMs = 0;
      options.changed();
    }
    paused = reason;
    if (nowMs - saidAtMs < REPEAT_PAUSE_MS) return;
    saidAtMs = nowMs;
    options.live.publish(liveSubjects.intakePause, reason === undefined ? { paused: false } : { paused: true, reason });
  }

  async function guardChannels(): Promise<void> {
    const load = await accountLoad(options.monitorPort, ASK_LIMIT_MS, agent);
    for (const channel of options.channels) {
      const account = options.minted.accounts.find(({ name }) => name === channelAccountName(channel));
      const { state, verdict } = watchFlood(
        floods.get(channel) ?? quietChannel,
        load.get(account?.publicKey ?? "") ?? 0,
        Date.now(),
      );
      if (verdict.type === "fine") {
        floods.set(channel, state);
        continue;
      }
      // Only a door that has moved counts: after a failure the next look tries again.
      await setDoor(channel, verdict.type === "close");
      floods.set(channel, state);
      if (verdict.type === "close") {
        options.output.say("warn", `the channel ${channel} is closed: it floods the log`, { bytes: verdict.bytes });
        const { bytes: sent, seconds } = verdict;
        options.processLog.record("ChannelClosed", String(Date.now()), {
          process: "supervisor",
          channel,
          bytes: sent,
          seconds,
        });
      } else options.output.say("info", `the channel ${channel} is open again`);
    }
  }

  async function setDoor(channel: string, closed: boolean): Promise<void> {
    const { server, minted, home } = options;
    // The system account's rights are held for the moment only.
    const system = await connectBus({ server, credsFile: minted.credsFile(SYS_USER), name: SYS_USER });
    try {
      await (closed ? closeAccount : openAccount)(system, home, channelAccountName(channel));
    } finally {
      await system.close();
    }
  }

  async function turn(): Promise<void> {
    if (busy || stopped) return;
    busy = true;
    try {
      await guardIntake();
      await guardChannels();
    } catch (error) {
      options.output.say("debug", `a guard could not look: ${describeError(error)}`);
    } finally {
      busy = false;
    }
  }

  await turn();
  const endTurns = everyAligned(EVERY_MS, () => void turn());
  return {
    get paused() {
      return paused;
    },
    stop: () => {
      stopped = true;
      endTurns();
      agent.destroy();
    },
  };
}
