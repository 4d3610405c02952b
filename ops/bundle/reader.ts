/** The log of an imported bundle: read from its file, line by line, with an index in memory. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { TaffrailError } from "../../bus/errors.ts";
import type { LogEntry } from "../../bus/event.ts";
import type { TokenMint } from "../../bus/ids.ts";
import type { FetchOptions, Log, LogBatch, ReadOptions } from "../../bus/log.ts";
import type { RawReader } from "../../bus/raw.ts";
import { matchesFilter } from "../../bus/subjects.ts";
import { readIndex, type EventIndex } from "./event-index.ts";
import { asTrailer, toEntry, toMessage, type BundleEvent, type BundleManifest } from "./format.ts";
import { importedFiles } from "./place.ts";

/** Events handed over at once, as those of a broker. */
const BATCH = 256;
/** Neighbouring lines are read together up to this. */
const RUN_BYTES = 256 * 1024;
/** The trailer is about 120 bytes. */
const TRAILER_BYTES = 256;

export interface ImportedLog {
  readonly log: Pick<Log, "read" | "fetch" | "get" | "identity">;
  readonly raw: RawReader;
  readonly mint: TokenMint;
  readonly manifest: BundleManifest;
  close(): void;
}

/** @throws BUNDLE_DAMAGED when the files are no longer those of the import. */
export function openImported(home: string): ImportedLog {
  const files = importedFiles(home);
  const fd = openSync(files.bundle, "r");
  try {
    const found = readIndex(files.index);
    const size = fstatSync(fd).size;
    const endOffset = found?.index.offset(found.index.count) ?? 0;
    const trailer = size - endOffset > TRAILER_BYTES || size <= endOffset ? "" : text(fd, endOffset, size - endOffset);
    if (found === undefined || asTrailer(parsed(trailer))?.sha256 !== found.sha256)
      throw new TaffrailError("BUNDLE_DAMAGED", `the imported bundle in ${home} was changed since its import`, {
        home,
      });
    const { index } = found;
    const manifest = JSON.parse(text(fd, 0, index.count === 0 ? endOffset : index.offset(0))) as BundleManifest;
    const lines = createLines(fd, index);
    return { ...logOf(index, lines, manifest), mint: tableMint(manifest), manifest, close: () => closeSync(fd) };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    return undefined;
  }
}

function bytes(fd: number, offset: number, length: number): Buffer {
  const buffer = Buffer.allocUnsafe(length);
  for (let done = 0; done < length;) {
    const count = readSync(fd, buffer, done, length - done, offset + done);
    if (count === 0) throw new TaffrailError("BUNDLE_DAMAGED", "the imported bundle ends before its last event");
    done += count;
  }
  return buffer;
}

function text(fd: number, offset: number, length: number): string {
  return bytes(fd, offset, length).toString("utf8");
}

/** The events at positions that rise; neighbours are read in one go. */
type Lines = (positions: Iterable<number>) => Generator<BundleEvent>;

function createLines(fd: number, index: EventIndex): Lines {
  return function* (positions) {
    let from = 0;
    let run: Buffer = Buffer.alloc(0);
    let last = -2;
    for (const position of positions) {
      const start = index.offset(position);
      const end = index.offset(position + 1);
      if (start < from || end > from + run.length) {
        // Read ahead only for who reads one line after the other.
        const ahead = position === last + 1 ? index.offset(index.count) - start : 0;
        from = start;
        run = bytes(fd, start, Math.max(end - start, Math.min(RUN_BYTES, ahead)));
      }
      last = position;
      yield JSON.parse(run.toString("utf8", start - from, end - from)) as BundleEvent;
    }
  };
}

function logOf(index: EventIndex, lines: Lines, manifest: BundleManifest): Pick<ImportedLog, "log" | "raw"> {
  const { created, lastSeq } = manifest.log;

  function* select({ filter, fromSeq, toSeq = lastSeq, limit }: FetchOptions): Generator<BundleEvent> {
    let left = limit;
    for (const event of lines(index.candidates([filter], index.find(fromSeq)))) {
      if (left <= 0 || event.seq > toSeq) return;
      if (!matchesFilter(filter, event.subject)) continue;
      yield event;
      if (--left <= 0) return;
    }
  }

  async function* read({ filters, fromSeq, signal, maxBuffered = BATCH }: ReadOptions): AsyncGenerator<LogBatch> {
    let pending = 0;
    let told = false;
    for (const _ of index.candidates(filters, index.find(fromSeq))) pending++;
    let events: LogEntry[] = [];
    for (const event of lines(index.candidates(filters, index.find(fromSeq)))) {
      pending--;
      if (filters.some((filter) => matchesFilter(filter, event.subject))) events.push(toEntry(event));
      if (events.length < maxBuffered && pending > 0) continue;
      if (signal.aborted) return;
      told = true;
      yield { events, pending };
      events = [];
    }
    if (!told && !signal.aborted) yield { events, pending };
    // Nothing is ever added: it waits like one that has caught up.
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  return {
    log: {
      read,
      fetch: (options) => Promise.resolve(Array.from(select(options), toEntry)),
      get: (seq) => {
        const position = index.find(seq);
        const [event] = index.seq(position) === seq ? lines([position]) : [];
        return Promise.resolve(event === undefined ? undefined : toEntry(event));
      },
      identity: () => Promise.resolve({ created, lastSeq }),
    },
    raw: { fetchRaw: (options) => Promise.resolve(Array.from(select(options), toMessage)) },
  };
}

/** Mints by the manifest's table. */
export function tableMint(manifest: BundleManifest): TokenMint {
  const key = (kind: unknown, first: unknown, second: unknown): string => JSON.stringify([kind, first, String(second)]);
  const table = new Map(manifest.tokens.map(([kind, first, second, token]) => [key(kind, first, second), token]));
  return (kind, first, second) => {
    const token = table.get(key(kind, first, second));
    if (token === undefined)
      throw new TaffrailError("NOT_FOUND", `the bundle holds no token of this ${String(kind)}`, {
        kind,
        first,
        second,
      });
    return token;
  };
}
