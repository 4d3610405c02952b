/** Checks a bundle from its first byte to its last, line by line. Comes in: chunks. Goes out: each checked line's place. */
import { createHash } from "node:crypto";
import { TaffrailError, type ErrorCode } from "../../bus/errors.ts";
import { isKnownType, schemaProblem } from "../../schemas/index.ts";
import { version as release } from "../config/version.ts";
import { buildIndex, type EventIndex } from "./event-index.ts";
import {
  asTrailer,
  BUNDLE_FORMAT,
  BUNDLE_VERSION,
  eventProblem,
  manifestProblem,
  MAX_BUNDLE_BYTES,
  MAX_LINE_BYTES,
  MAX_MANIFEST_BYTES,
  toEntry,
  type BundleEvent,
  type BundleManifest,
  type BundleTrailer,
} from "./format.ts";
import { compareSchemas } from "./schemas.ts";

export interface CheckedBundle {
  readonly manifest: BundleManifest;
  readonly trailer: BundleTrailer;
  readonly index: EventIndex;
}

export interface BundleCheck {
  /** Takes the next bytes. @throws the BUNDLE_ codes */
  take(chunk: Buffer): void;
  /** The file is at its end. @throws BUNDLE_FOREIGN, BUNDLE_CUT, BUNDLE_DAMAGED */
  finish(): CheckedBundle;
}

const LF = 10;
const fromUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** `file` is only for the words of an error. */
export function checkBundle(file: string): BundleCheck {
  const hash = createHash("sha256");
  const index = buildIndex();
  let rest: Buffer[] = [];
  let restBytes = 0;
  let offset = 0;
  let lineNumber = 0;
  let lastSeq = 0;
  let events = 0;
  let unreadable = 0;
  let manifest: BundleManifest | undefined;
  let trailer: BundleTrailer | undefined;
  let endOffset = 0;

  const fail = (code: ErrorCode, what: string): TaffrailError =>
    new TaffrailError(code, `${file}: ${what}`, { file, line: lineNumber });

  function takeLine(line: Buffer): void {
    lineNumber++;
    if (manifest === undefined) {
      manifest = readManifest(line, fail);
      hash.update(line);
      return;
    }
    if (trailer !== undefined) throw fail("BUNDLE_DAMAGED", `line ${lineNumber} stands behind its end`);
    const value = parseLine(line);
    trailer = asTrailer(value);
    if (trailer !== undefined) {
      endOffset = offset;
      return;
    }
    hash.update(line);
    const problem = value === undefined ? "it is no JSON" : eventProblem(value);
    if (problem !== undefined) throw fail("BUNDLE_DAMAGED", `line ${lineNumber} is no event: ${problem}`);
    takeEvent(value as BundleEvent);
  }

  function takeEvent(event: BundleEvent): void {
    if (event.seq <= lastSeq)
      throw fail("BUNDLE_DAMAGED", `line ${lineNumber} is out of order: sequence ${event.seq} behind ${lastSeq}`);
    lastSeq = event.seq;
    events++;
    if (event.unreadable === undefined) checkReadable(event);
    else unreadable++;
    index.add(event.seq, event.subject, offset);
  }

  function checkReadable(event: BundleEvent): void {
    const entry = toEntry(event);
    if (entry.type !== "unreadable") return;
    const schema = event.headers["ce-dataschema"];
    const name = typeof schema === "string" ? schema.replace(/^taffrail:/, "") : "";
    const [type = "", version = ""] = name.split(":");
    const known = isKnownType(type) && !schemaProblem(type, Number(version), {})?.startsWith("no schema");
    if (/^[A-Z]\w*:\d+$/.test(name) && !known) throw newer(name);
    throw fail("BUNDLE_DAMAGED", `line ${lineNumber} (sequence ${event.seq}): ${entry.message}`);
  }

  function newer(what: string): TaffrailError {
    const from = manifest?.release ?? "";
    return fail("BUNDLE_NEWER", `it holds ${what}, which release ${release} does not know; release ${from} wrote it`);
  }

  return {
    take(chunk) {
      let from = 0;
      for (let at = chunk.indexOf(LF); at !== -1; at = chunk.indexOf(LF, from)) {
        const part = chunk.subarray(from, at + 1);
        const line = rest.length === 0 ? part : Buffer.concat([...rest, part]);
        rest = [];
        restBytes = 0;
        takeLine(line);
        offset += line.length;
        from = at + 1;
        if (offset > MAX_BUNDLE_BYTES)
          throw fail("BUNDLE_TOO_LARGE", `it has more than ${MAX_BUNDLE_BYTES / 1024 ** 3} GiB`);
      }
      if (from < chunk.length) {
        rest.push(Buffer.from(chunk.subarray(from)));
        restBytes += chunk.length - from;
      }
      const limit = manifest === undefined ? MAX_MANIFEST_BYTES : MAX_LINE_BYTES;
      if (restBytes <= limit) return;
      if (manifest === undefined && !startsAsOurs(Buffer.concat(rest)))
        throw fail("BUNDLE_FOREIGN", "it is no bundle of Taffrail");
      throw fail("BUNDLE_TOO_LARGE", `line ${lineNumber + 1} has more than ${limit / 1024 ** 2} MiB`);
    },
    finish() {
      if (manifest === undefined) {
        const start = Buffer.concat(rest);
        if (start.length === 0) throw fail("BUNDLE_FOREIGN", "the file is empty");
        if (!startsAsOurs(start)) throw fail("BUNDLE_FOREIGN", "it is no bundle of Taffrail");
        throw fail("BUNDLE_CUT", "it ends within its first line");
      }
      if (restBytes > 0) {
        if (trailer !== undefined) throw fail("BUNDLE_DAMAGED", `line ${lineNumber + 1} stands behind its end`);
        throw fail("BUNDLE_CUT", `it ends within line ${lineNumber + 1}`);
      }
      const announced = manifest.counts.events;
      if (trailer === undefined) throw fail("BUNDLE_CUT", `it ends behind event ${events} of ${announced}`);
      if (trailer.events !== events || announced !== events)
        throw fail("BUNDLE_DAMAGED", `it holds ${events} events, but was written with ${announced}`);
      if (manifest.counts.unreadable !== unreadable)
        throw fail("BUNDLE_DAMAGED", `it marks ${unreadable} events as unreadable, not ${manifest.counts.unreadable}`);
      if (lastSeq > manifest.log.lastSeq) throw fail("BUNDLE_DAMAGED", "it holds events behind the end of its log");
      if (hash.digest("hex") !== trailer.sha256)
        throw fail("BUNDLE_DAMAGED", "its content is not what was written: the SHA-256 differs");
      return { manifest, trailer, index: index.finish(endOffset) };
    },
  };
}

function startsAsOurs(start: Buffer): boolean {
  const wanted = Buffer.from(`{"format":"${BUNDLE_FORMAT}"`);
  const length = Math.min(start.length, wanted.length);
  return start.subarray(0, length).equals(wanted.subarray(0, length));
}

function parseLine(line: Buffer): unknown {
  try {
    return JSON.parse(fromUtf8.decode(line)) as unknown;
  } catch {
    return undefined;
  }
}

function readManifest(line: Buffer, fail: (code: ErrorCode, what: string) => TaffrailError): BundleManifest {
  const value = parseLine(line) as Record<string, unknown> | null | undefined;
  if (value === null || typeof value !== "object" || value["format"] !== BUNDLE_FORMAT) {
    if (startsAsOurs(line)) throw fail("BUNDLE_DAMAGED", "its first line is no manifest");
    throw fail("BUNDLE_FOREIGN", "it is no bundle of Taffrail");
  }
  const { version } = value;
  if (version !== BUNDLE_VERSION) {
    if (!Number.isSafeInteger(version) || (version as number) < 1)
      throw fail("BUNDLE_DAMAGED", "its manifest has no version");
    const from = typeof value["release"] === "string" ? value["release"].slice(0, 40) : "unknown";
    const form = `release ${from} wrote it in form ${String(version)}; this is release ${release}, which knows form ${BUNDLE_VERSION}`;
    throw fail("BUNDLE_NEWER", form);
  }
  const problem = manifestProblem(value);
  if (problem !== undefined)
    throw fail("BUNDLE_DAMAGED", `its manifest is not of the form that is written: ${problem}`);
  const manifest = value as unknown as BundleManifest;
  const { unknown, differing } = compareSchemas(manifest.schemas);
  const named = (names: string[]): string => names.slice(0, 5).join(", ") + (names.length > 5 ? ", …" : "");
  if (unknown.length > 0)
    throw fail(
      "BUNDLE_NEWER",
      `release ${manifest.release} wrote it; release ${release} does not know ${named(unknown)}`,
    );
  if (differing.length > 0)
    throw fail(
      "BUNDLE_SCHEMA_DIFFERS",
      `release ${manifest.release} wrote it; release ${release} has another schema of ${named(differing)}`,
    );
  return manifest;
}
