/**
 * Decisions over redacted inputs: with other texts a model is asked something else, so recorded request hashes fit no more.
 * What came out the same in the log is computed anew; what did not stays as it was, so that a bundle still shows it.
 */
import { randomBytes } from "node:crypto";
import { withComputed, type Computed } from "../../bus/compare.ts";
import type { LogEntry, StoredEvent } from "../../bus/event.ts";
import { hashJson, type TokenMint } from "../../bus/ids.ts";
import { matchesFilter } from "../../bus/subjects.ts";
import { toEntry, type BundleEvent, type BundleManifest } from "../bundle/format.ts";
import { tableMint } from "../bundle/reader.ts";
import type { LogReader } from "../source/source.ts";
import { replay, type ReplaySettings } from "./replay.ts";

/** A changed text may change an answer that later turns show: two or three rounds settle it. */
const MAX_ROUNDS = 10;

export interface RerecordOptions {
  /** Sequences at which the log itself no longer comes out the same. */
  readonly differing: ReadonlySet<number>;
  readonly settingsOf: (manifest: BundleManifest) => ReplaySettings;
  readonly mintOf?: (manifest: BundleManifest) => TokenMint;
  /** Version of the prompt before it was redacted. */
  readonly promptVersion?: string;
}

export function createRerecord({
  differing,
  settingsOf,
  mintOf = tableMint,
  promptVersion,
}: RerecordOptions): (events: readonly BundleEvent[], manifest: BundleManifest) => Promise<readonly BundleEvent[]> {
  return async (events, manifest) => {
    const settings = settingsOf(manifest);
    const cover = coverHashes(differing, { before: promptVersion, now: settings.versions.prompt });
    let current = events.map(cover);
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const computed = await computeAnew(current.map(toEntry), differing, settings, mintOf(manifest));
      if (computed.size === 0) return current;
      current = current.map((event) => {
        const anew = computed.get(event.seq);
        return anew === undefined || event.bytes !== undefined ? event : withData(event, anew);
      });
    }
    return current;
  };
}

/**
 * A hash over text that was covered would let a weak secret be guessed. The prompt's version becomes that of the covered
 * prompt, or any other; hashes of requests that differ stay different, and say nothing.
 */
function coverHashes(
  differing: ReadonlySet<number>,
  prompt: { before: string | undefined; now: string },
): (event: BundleEvent) => BundleEvent {
  const salt = randomBytes(16).toString("base64url");
  const other = (hash: unknown): string => hashJson([salt, hash]);
  return (event) => {
    const data = event.data as Record<string, unknown> | undefined;
    if (data === undefined || event.unreadable !== undefined) return event;
    const versions = data["versions"] as Record<string, unknown> | undefined;
    if (event.headers["ce-type"] === "TurnClaimed" && versions !== undefined && prompt.before !== undefined) {
      const { prompt: recorded } = versions;
      const covered = recorded === prompt.before || recorded === prompt.now ? prompt.now : other(recorded);
      return { ...event, data: { ...data, versions: { ...versions, prompt: covered } } };
    }
    if (!differing.has(event.seq)) return event;
    const lastStep = data["lastStep"] as Record<string, unknown> | undefined;
    if (typeof lastStep?.["requestHash"] === "string")
      return { ...event, data: { ...data, lastStep: { ...lastStep, requestHash: other(lastStep["requestHash"]) } } };
    if (typeof data["requestHash"] === "string")
      return { ...event, data: { ...data, requestHash: other(data["requestHash"]) } };
    return event;
  };
}

function withData(event: BundleEvent, { type, version, data }: StoredEvent): BundleEvent {
  // Computed in the newest form of its schema, whatever it was recorded in.
  return { ...event, headers: { ...event.headers, "ce-dataschema": `taffrail:${type}:${version}` }, data };
}

async function computeAnew(
  entries: readonly LogEntry[],
  differing: ReadonlySet<number>,
  settings: ReplaySettings,
  mint: TokenMint,
): Promise<ReadonlyMap<number, StoredEvent>> {
  const changed = new Map<number, StoredEvent>();
  const amend = (recorded: StoredEvent, computed: Computed): StoredEvent | undefined => {
    const { event, lane } = computed;
    const same = recorded.type === event.type && recorded.id === event.id && recorded.subject === lane.subject;
    if (!same || differing.has(recorded.seq)) return undefined;
    const anew = withComputed(recorded, computed);
    changed.set(recorded.seq, anew);
    return anew;
  };
  async function* all(): AsyncGenerator<readonly LogEntry[]> {
    yield await Promise.resolve(entries);
  }
  await replay(all(), {
    settings,
    mint,
    log: readerOf(entries),
    startSeq: entries[0]?.seq ?? 1,
    endMs: entries.at(-1)?.storedAtMs ?? 0,
    all: true,
    amend,
  });
  return changed;
}

function readerOf(entries: readonly LogEntry[]): Pick<LogReader, "fetch"> {
  return {
    fetch({ filter, fromSeq, toSeq = Number.MAX_SAFE_INTEGER, limit }) {
      const found = entries.filter(
        ({ seq, subject }) => seq >= fromSeq && seq <= toSeq && matchesFilter(filter, subject),
      );
      return Promise.resolve(found.slice(0, limit));
    },
  };
}
