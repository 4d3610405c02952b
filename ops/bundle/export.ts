/**
 * Writes a bundle. Comes in: a log, what to take, a redactor. Goes out: a file that was not there before, or the lines on a
 * stream. Never: replaces a file, leaves a half one, writes a redacted one in which its last look still finds something.
 */
import { createHash } from "node:crypto";
import { closeSync, createReadStream, fsyncSync, linkSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Writable } from "node:stream";
import { TaffrailError } from "../../bus/errors.ts";
import type { TokenMint } from "../../bus/ids.ts";
import type { Log } from "../../bus/log.ts";
import type { RawReader, StoredMessage } from "../../bus/raw.ts";
import { LOG_ROOT } from "../../bus/subjects.ts";
import { version as release } from "../config/version.ts";
import { createContents } from "./contents.ts";
import {
  BUNDLE_FORMAT,
  BUNDLE_VERSION,
  toBundleEvent,
  toEntry,
  type BundleEvent,
  type BundleManifest,
  type BundleSettings,
  type BundleTrailer,
} from "./format.ts";
import { differences, type EntryRedactor } from "./redact-entry.ts";
import { selectEvents, type Selection, type WantedScope } from "./select.ts";

export interface ExportSource {
  readonly log: Pick<Log, "fetch" | "identity">;
  readonly raw: RawReader;
  readonly mint: TokenMint;
  /** Of an imported log: what it holds is that scope, however it is asked for. */
  readonly manifest?: BundleManifest;
}

/** Computes the decisions of redacted events anew; gets and gives all events of the bundle, in order. */
export type Rerecord = (events: readonly BundleEvent[], manifest: BundleManifest) => Promise<readonly BundleEvent[]>;

export interface ExportOptions {
  readonly scope: WantedScope;
  readonly settings: BundleSettings;
  /** RFC 3339. */
  readonly exportedAt: string;
  readonly redactor?: EntryRedactor;
  /** Only used with a redactor: redacted inputs ask for other request hashes. */
  readonly rerecord?: Rerecord;
  /** Events done in a pass. */
  readonly onProgress?: (pass: "reading" | "writing", events: number) => void;
}

/** Events asked for at once: some hundred kB. */
const PAGE = 500;
/** Single events asked for at once where they lie far apart. */
const SPARSE_PAGE = 64;
/** A stretch is read whole when at least this share of it is wanted. */
const DENSE_SHARE = 0.25;

/** Writes the bundle to `file`, 0600. @throws BUNDLE_FILE_EXISTS, BUNDLE_NOT_REDACTED, NOT_FOUND, TURN_UNKNOWN, bus codes */
export async function exportToFile(
  source: ExportSource,
  options: ExportOptions,
  file: string,
): Promise<BundleManifest> {
  const folder = temporaryFolder(dirname(file), ".taffrail-export-");
  try {
    const body = await writeBody(source, options, join(folder, "events"));
    const whole = join(folder, "bundle");
    const fd = openSync(whole, "wx", 0o600);
    try {
      await assemble(body, (bytes) => writeAll(fd, bytes));
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    place(whole, file);
    return body.manifest;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Writes the bundle to a stream, once all of it is known to be right. */
export async function exportToStream(
  source: ExportSource,
  options: ExportOptions,
  stream: Writable,
): Promise<BundleManifest> {
  const folder = temporaryFolder(tmpdir(), "taffrail-export-");
  try {
    const body = await writeBody(source, options, join(folder, "events"));
    await assemble(body, async (bytes) => {
      if (!stream.write(bytes)) await new Promise<void>((resolve) => stream.once("drain", resolve));
    });
    return body.manifest;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function temporaryFolder(folder: string, prefix: string): string {
  try {
    return mkdtempSync(join(folder, prefix));
  } catch (error) {
    throw new TaffrailError("NOT_FOUND", `the folder ${folder} is not there or cannot be written`, { folder }, error);
  }
}

/** The name is taken at the end and at once: it never replaces a file, and a file of that name is a whole bundle. */
function place(from: string, file: string): void {
  try {
    linkSync(from, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    throw new TaffrailError("BUNDLE_FILE_EXISTS", `${file} is there already`, { file }, error);
  }
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done);
}

interface Body {
  readonly manifest: BundleManifest;
  readonly path: string;
}

async function assemble(body: Body, write: (bytes: Uint8Array) => Promise<void> | void): Promise<void> {
  const hash = createHash("sha256");
  const put = async (bytes: Uint8Array): Promise<void> => {
    hash.update(bytes);
    await write(bytes);
  };
  await put(lineOf(body.manifest));
  for await (const chunk of createReadStream(body.path) as AsyncIterable<Buffer>) await put(chunk);
  const { events } = body.manifest.counts;
  const trailer: BundleTrailer = { end: BUNDLE_FORMAT, events, sha256: hash.digest("hex") };
  await write(lineOf(trailer));
}

function lineOf(value: object): Buffer {
  return Buffer.from(`${JSON.stringify(value)}\n`);
}

async function writeBody(source: ExportSource, options: ExportOptions, path: string): Promise<Body> {
  const { redactor, rerecord, onProgress } = options;
  const selection = await selectEvents(source.log, source.mint, options.scope);
  const identity = await source.log.identity();
  const pages = (): AsyncGenerator<readonly BundleEvent[]> => eventsOf(source.raw, selection, identity.lastSeq);
  if (redactor !== undefined) {
    let read = 0;
    redactor.learnSettings(options.settings);
    for await (const page of pages()) {
      for (const event of page) redactor.learn(event);
      onProgress?.("reading", (read += page.length));
    }
  }
  const contents = createContents(source.mint);
  const manifestOf = (): BundleManifest => {
    const scope =
      source.manifest !== undefined && selection.scope.type === "all" ? source.manifest.scope : selection.scope;
    const { tokens, schemas, counts } = contents.done();
    const plain = { settings: options.settings, scope, tokens };
    return {
      format: BUNDLE_FORMAT,
      version: BUNDLE_VERSION,
      exportedAt: options.exportedAt,
      release,
      log: { created: identity.created, lastSeq: identity.lastSeq },
      scope: redactor?.scope(plain.scope) ?? plain.scope,
      redacted: redactor !== undefined || source.manifest?.redacted === true,
      settings: redactor?.settings(plain.settings) ?? plain.settings,
      tokens: redactor?.tokens(plain.tokens) ?? plain.tokens,
      schemas,
      counts,
      media: [],
    };
  };
  const fd = openSync(path, "wx", 0o600);
  try {
    let written = 0;
    const held: BundleEvent[] = [];
    const collect = redactor !== undefined && rerecord !== undefined;
    const write = (events: readonly BundleEvent[]): void => {
      if (redactor !== undefined) for (const event of events) checkRedacted(event, redactor);
      if (events.length > 0) writeAll(fd, Buffer.from(events.map((event) => `${JSON.stringify(event)}\n`).join("")));
      onProgress?.("writing", (written += events.length));
    };
    for await (const page of pages()) {
      for (const event of page) contents.add(event);
      const covered = redactor === undefined ? page : page.map((event) => redactor.redact(event));
      if (collect) held.push(...covered);
      else write(covered);
    }
    const manifest = manifestOf();
    if (collect) write(await rerecord(held, manifest));
    if (redactor !== undefined) checkManifest(manifest, redactor);
    return { manifest, path };
  } finally {
    closeSync(fd);
  }
}

function checkRedacted(event: BundleEvent, redactor: EntryRedactor): void {
  const fail = (what: string): TaffrailError =>
    new TaffrailError("BUNDLE_NOT_REDACTED", `the event at sequence ${event.seq} ${what}`, { seq: event.seq });
  const places = redactor.leftovers(event);
  if (places.length > 0) throw fail(`still holds ${places.join(", ")}`);
  if (event.unreadable !== undefined) return;
  const entry = toEntry(event);
  if (entry.type === "unreadable") throw fail(`no longer fits: ${entry.message}`);
}

function checkManifest(manifest: BundleManifest, redactor: EntryRedactor): void {
  const { settings, scope, tokens } = manifest;
  const again = {
    settings: redactor.settings(settings),
    scope: redactor.scope(scope),
    tokens: redactor.tokens(tokens),
  };
  const places = differences({ settings, scope, tokens }, again, "manifest");
  if (places.length > 0) throw new TaffrailError("BUNDLE_NOT_REDACTED", `the export still holds ${places.join(", ")}`);
}

/** The selected events in pages. */
async function* eventsOf(raw: RawReader, { seqs }: Selection, lastSeq: number): AsyncGenerator<readonly BundleEvent[]> {
  if (seqs === undefined) {
    for (let next = 1; next <= lastSeq;) {
      const page = await raw.fetchRaw({ filter: LOG_ROOT, fromSeq: next, toSeq: lastSeq, limit: PAGE });
      const last = page.at(-1);
      if (last === undefined) return;
      yield page.map(toBundleEvent);
      next = last.seq + 1;
    }
    return;
  }
  for (let from = 0; from < seqs.length; from += SPARSE_PAGE)
    yield (await fetchSome(raw, seqs.subarray(from, from + SPARSE_PAGE))).map(toBundleEvent);
}

async function fetchSome(raw: RawReader, seqs: Float64Array): Promise<StoredMessage[]> {
  const first = seqs[0] ?? 1;
  const last = seqs.at(-1) ?? 0;
  const span = last - first + 1;
  if (seqs.length >= span * DENSE_SHARE) {
    const wanted = new Set(seqs);
    const all = await raw.fetchRaw({ filter: LOG_ROOT, fromSeq: first, toSeq: last, limit: span });
    return all.filter(({ seq }) => wanted.has(seq));
  }
  const one = (seq: number): Promise<StoredMessage[]> =>
    raw.fetchRaw({ filter: LOG_ROOT, fromSeq: seq, toSeq: seq, limit: 1 });
  return (await Promise.all([...seqs].map(one))).flat();
}
