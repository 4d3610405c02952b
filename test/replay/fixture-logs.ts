/** The recorded logs in test/fixtures/logs, with what their processes decided with. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { decodeEvent } from "../../bus/codec.ts";
import type { StoredEvent } from "../../bus/event.ts";
import { rawMessage, type StoredMessage } from "../../bus/raw.ts";
import { asTrailer, toMessage, type BundleEvent, type BundleManifest } from "../../ops/bundle/format.ts";
import type { ReplaySettings } from "../../ops/replay/replay.ts";
import { MAX_ATTEMPTS, VERSIONS } from "../sim/settings.ts";
import { readBeside, type Accepted, type Beside } from "./beside.ts";

export const fixtureFolder = join(dirname(fileURLToPath(import.meta.url)), "..", "fixtures", "logs");

/** Logs of the real system, one per release; read by `record-system.ts` and the system's tests. */
export const systemFixtureFolder = join(fixtureFolder, "..", "logs-system");

export interface FixtureLog {
  readonly name: string;
  readonly messages: readonly StoredMessage[];
  readonly entries: readonly StoredEvent[];
  readonly settings: ReplaySettings;
  /** What later releases mean to decide differently. */
  readonly accepted: readonly Accepted[];
}

function settingsOf({ settings }: BundleManifest, { decidedWith }: Beside): ReplaySettings {
  const { maxOutputTokens, maxSteps, queueMode } = settings;
  const { systemPrompt, tools } = decidedWith;
  return {
    router: { queueMode },
    runner: { systemPrompt, maxOutputTokens, limits: { maxSteps, maxAttempts: MAX_ATTEMPTS } },
    tools,
    versions: VERSIONS,
  };
}

export function fixtureLogs(): FixtureLog[] {
  const files = readdirSync(fixtureFolder).filter((name) => name.endsWith(".jsonl"));
  return files.map((name) => {
    const lines = readFileSync(join(fixtureFolder, name), "utf8").trimEnd().split("\n");
    const [manifest, ...rest] = lines.map((line) => JSON.parse(line) as unknown);
    const events = rest.filter((line) => asTrailer(line) === undefined) as BundleEvent[];
    const messages = events.map(toMessage);
    const entries = messages.map((message) => decodeEvent(rawMessage(message)));
    const unreadable = entries.find((entry) => entry.type === "unreadable");
    if (unreadable !== undefined) throw new Error(`${name}: event ${unreadable.seq} cannot be read`);
    const beside = readBeside(join(fixtureFolder, name));
    return {
      name,
      messages,
      entries: entries as StoredEvent[],
      settings: settingsOf(manifest as BundleManifest, beside),
      accepted: beside.accepted,
    };
  });
}
