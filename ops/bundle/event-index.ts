/**
 * Which line of a bundle holds which event: per event its sequence, where its line begins, and its subject as the number of
 * its first four tokens and hashes of the rest. 28 bytes an event, so that a million fit into a small machine.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { matchesFilter } from "../../bus/subjects.ts";

/** Enough to name a chat, a channel's commands, a task: few in any log. */
const NAME_TOKENS = 4;

interface Columns {
  readonly seqs: Float64Array;
  readonly offsets: Float64Array;
  readonly names: Uint32Array;
  /** Hash of the fifth token, 0 for none. */
  readonly fifths: Uint32Array;
  /** Hash of what is behind it, 0 for none. */
  readonly tails: Uint32Array;
}

/** FNV-1a; never 0. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  return value >>> 0 || 1;
}

function parts(subject: string): { name: string; fifth: number; tail: number } {
  const tokens = subject.split(".");
  const [fifth, ...rest] = tokens.slice(NAME_TOKENS);
  return {
    name: tokens.slice(0, NAME_TOKENS).join("."),
    fifth: fifth === undefined ? 0 : hash(fifth),
    tail: rest.length === 0 ? 0 : hash(rest.join(".")),
  };
}

function columns(length: number): Columns {
  return {
    seqs: new Float64Array(length),
    offsets: new Float64Array(length),
    names: new Uint32Array(length),
    fifths: new Uint32Array(length),
    tails: new Uint32Array(length),
  };
}

function resized(from: Columns, length: number): Columns {
  const to = columns(length);
  for (const key of Object.keys(to) as (keyof Columns)[])
    to[key].set(from[key].length > length ? from[key].subarray(0, length) : from[key]);
  return to;
}

export interface IndexBuilder {
  add(seq: number, subject: string, offset: number): void;
  /** `endOffset` is where the last event's line ends. */
  finish(endOffset: number): EventIndex;
}

export function buildIndex(): IndexBuilder {
  let held = columns(1_024);
  let count = 0;
  const numbers = new Map<string, number>();
  return {
    add(seq, subject, offset) {
      if (count === held.seqs.length) held = resized(held, count * 2);
      const { name, fifth, tail } = parts(subject);
      let number = numbers.get(name);
      if (number === undefined) numbers.set(name, (number = numbers.size));
      held.seqs[count] = seq;
      held.offsets[count] = offset;
      held.names[count] = number;
      held.fifths[count] = fifth;
      held.tails[count] = tail;
      count++;
    },
    finish: (endOffset) => new EventIndex(resized(held, count), [...numbers.keys()], endOffset),
  };
}

/** A filter against the columns: which names, then hashes; what passes may still be another subject. */
interface Test {
  readonly names: Uint8Array;
  readonly fifth: number | undefined;
  readonly tail: number | undefined;
}

const HEADER = 8;

export class EventIndex {
  readonly count: number;
  readonly #columns: Columns;
  readonly #names: readonly string[];
  readonly #endOffset: number;

  constructor(held: Columns, names: readonly string[], endOffset: number) {
    this.count = held.seqs.length;
    this.#columns = held;
    this.#names = names;
    this.#endOffset = endOffset;
  }

  seq(position: number): number {
    return this.#columns.seqs[position] ?? 0;
  }

  /** First byte of the line at `position`; of the count: where the events end. */
  offset(position: number): number {
    return this.#columns.offsets[position] ?? this.#endOffset;
  }

  /** First position whose sequence is `seq` or higher. */
  find(seq: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.seq(middle) < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Positions from `from` on that one of the filters may match, in order. */
  *candidates(filters: readonly string[], from: number): Generator<number> {
    const tests = filters.map((filter) => this.#test(filter));
    const { names, fifths, tails } = this.#columns;
    for (let position = from; position < this.count; position++) {
      for (const { names: wanted, fifth, tail } of tests) {
        if (wanted[names[position] ?? 0] !== 1) continue;
        if (fifth !== undefined && fifths[position] !== fifth) continue;
        if (tail !== undefined && tails[position] !== tail) continue;
        yield position;
        break;
      }
    }
  }

  #test(filter: string): Test {
    const tokens = filter.split(".");
    const open = tokens.at(-1) === ">";
    const ahead = tokens.slice(0, NAME_TOKENS);
    // What is cut off may be anything; a name that is shorter is a whole subject.
    const head = tokens.length > NAME_TOKENS ? ahead.join(".") : filter;
    const names = Uint8Array.from(this.#names, (name) => {
      const whole = name.split(".").length < NAME_TOKENS;
      return (whole ? matchesFilter(filter, name) : matchesFilter(head, name)) ? 1 : 0;
    });
    const [fifth, ...rest] = tokens.slice(NAME_TOKENS);
    if (tokens.length <= NAME_TOKENS) return { names, fifth: open ? undefined : 0, tail: open ? undefined : 0 };
    const any = fifth === "*" || fifth === ">" || fifth === undefined;
    const loose = open || rest.some((token) => token === "*");
    return {
      names,
      fifth: any ? undefined : hash(fifth),
      tail: loose ? undefined : rest.length === 0 ? 0 : hash(rest.join(".")),
    };
  }

  /** Writes it beside the bundle; `sha256` is that of the bundle's trailer. */
  write(path: string, sha256: string): void {
    const head = Buffer.from(
      JSON.stringify({ sha256, count: this.count, endOffset: this.#endOffset, names: this.#names }),
    );
    // Eight bytes of length, then padding, so that the columns lie where numbers of eight bytes may lie.
    const start = HEADER + Math.ceil(head.length / HEADER) * HEADER;
    const first = Buffer.alloc(start);
    first.writeDoubleLE(head.length, 0);
    head.copy(first, HEADER);
    const { seqs, offsets, names, fifths, tails } = this.#columns;
    const rest = [seqs, offsets, names, fifths, tails].map((one) => Buffer.from(one.buffer, 0, one.byteLength));
    writeFileSync(path, Buffer.concat([first, ...rest]), { mode: 0o600 });
  }
}

/** Reads an index; undefined when it is not whole. Numbers are those of the machine that wrote it. */
export function readIndex(path: string): { index: EventIndex; sha256: string } | undefined {
  try {
    const file = readFileSync(path);
    const length = file.readDoubleLE(0);
    const head = JSON.parse(file.toString("utf8", HEADER, HEADER + length)) as {
      sha256: string;
      count: number;
      endOffset: number;
      names: string[];
    };
    const { count } = head;
    let at = HEADER + Math.ceil(length / HEADER) * HEADER;
    if (file.length !== at + count * 28) return undefined;
    const take = (width: number): ArrayBuffer => {
      const bytes = file.buffer.slice(file.byteOffset + at, file.byteOffset + at + count * width) as ArrayBuffer;
      at += count * width;
      return bytes;
    };
    const held: Columns = {
      seqs: new Float64Array(take(8)),
      offsets: new Float64Array(take(8)),
      names: new Uint32Array(take(4)),
      fifths: new Uint32Array(take(4)),
      tails: new Uint32Array(take(4)),
    };
    return { index: new EventIndex(held, head.names, head.endOffset), sha256: head.sha256 };
  } catch {
    return undefined;
  }
}
