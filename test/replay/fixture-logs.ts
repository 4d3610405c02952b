/** The recorded logs in test/fixtures/logs, with what their processes decided with. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { decodeEvent } from "../../bus/codec.ts";
import type { StoredEvent } from "../../bus/event.ts";
import { rawMessage, type StoredMessage } from "../../bus/raw.ts";
import { asTrailer, toMessage, type BundleEvent, type BundleManifest } from "../../ops/bundle/format.ts";
import type { ReplaySettings } from "../../ops/replay/replay.ts";
import { MAX_ATTEMPTS, TOOL_SPECS, VERSIONS } from "../sim/settings.ts";

export const fixtureFolder = join(dirname(fileURLToPath(import.meta.url)), "..", "fixtures", "logs");

export interface FixtureLog {
  readonly name: string;
  readonly messages: readonly StoredMessage[];
  readonly entries: readonly StoredEvent[];
  readonly settings: ReplaySettings;
}

function settingsOf({ settings }: BundleManifest): ReplaySettings {
  const { systemPrompt = "", maxOutputTokens, maxSteps, queueMode } = settings;
  return {
    router: { queueMode },
    runner: { systemPrompt, maxOutputTokens, limits: { maxSteps, maxAttempts: MAX_ATTEMPTS } },
    tools: TOOL_SPECS,
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
    return {
      name,
      messages,
      entries: entries as StoredEvent[],
      settings: settingsOf(manifest as BundleManifest),
    };
  });
}
