/**
 * Which line of a bundle holds which event: per event its sequence, where its line begins, and its subject as the number of
 * its first four tokens and hashes of the rest. 28 bytes an event, so that a million fit into a small machine.
 */
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
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

function lengthened(from: Columns, length: number): Columns {
  const to = columns(length);
  for (const key of Object.keys(to) as (keyof Columns)[]) to[key].set(from[key]);
  return to;
}

function shortened({ seqs, offsets, names, fifths, tails }: Columns, length: number): Columns {
  return {
    seqs: seqs.subarray(0, length),
    offsets: offsets.subarray(0, length),
    names: names.subarray(0, length),
    fifths: fifths.subarray(0, length),
    tails: tails.subarray(0, length),
  };
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
      if (count === held.seqs.length) held = lengthened(held, count * 2);
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
    finish: (endOffset) => new EventIndex(shortened(held, count), [...numbers.keys()], endOffset),
  };
}

/** A filter against the columns: which name or names, then hashes; what passes may still be another subject. */
interface Test {
  /** One name, -1 for one that does not occur, or a mark for each. */
  readonly names: number | Uint8Array;
  readonly fifth: number | undefined;
  readonly tail: number | undefined;
}

/** Positions by name: those of name n are `positions[starts[n]]` to `positions[starts[n + 1] - 1]`. */
interface Places {
  readonly starts: Uint32Array;
  readonly positions: Uint32Array;
}

function placesOf(names: Uint32Array, count: number): Places {
  const starts = new Uint32Array(count + 1);
  for (const name of names) starts[name + 1] = (starts[name + 1] ?? 0) + 1;
  for (let name = 0; name < count; name++) starts[name + 1] = (starts[name + 1] ?? 0) + (starts[name] ?? 0);
  const next = starts.slice();
  const positions = new Uint32Array(names.length);
  names.forEach((name, position) => {
    const at = next[name] ?? 0;
    positions[at] = position;
    next[name] = at + 1;
  });
  return { starts, positions };
}

const HEADER = 8;

export class EventIndex {
  readonly count: number;
  readonly #columns: Columns;
  readonly #names: readonly string[];
  readonly #endOffset: number;
  #numbers: ReadonlyMap<string, number> | undefined;
  #places: Places | undefined;

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
    const [only] = tests;
    if (tests.length === 1 && typeof only?.names === "number") {
      yield* this.#candidatesOf(only, only.names, from);
      return;
    }
    const { names, fifths, tails } = this.#columns;
    for (let position = from; position < this.count; position++) {
      for (const { names: wanted, fifth, tail } of tests) {
        const name = names[position] ?? 0;
        if (typeof wanted === "number" ? wanted !== name : wanted[name] !== 1) continue;
        if (fifth !== undefined && fifths[position] !== fifth) continue;
        if (tail !== undefined && tails[position] !== tail) continue;
        yield position;
        break;
      }
    }
  }

  /** One chat's events lie all over the log: their positions are known, the others are not looked at. */
  *#candidatesOf({ fifth, tail }: Test, name: number, from: number): Generator<number> {
    if (name < 0) return;
    this.#places ??= placesOf(this.#columns.names, this.#names.length);
    const { starts, positions } = this.#places;
    const { fifths, tails } = this.#columns;
    const end = starts[name + 1] ?? 0;
    for (let at = starts[name] ?? 0; at < end; at++) {
      const position = positions[at] ?? 0;
      if (position < from || (fifth !== undefined && fifths[position] !== fifth)) continue;
      if (tail === undefined || tails[position] === tail) yield position;
    }
  }

  #namesOf(filter: string, head: string): number | Uint8Array {
    if (!/[*>]/.test(head) && head.split(".").length === NAME_TOKENS) {
      this.#numbers ??= new Map(this.#names.map((name, number) => [name, number]));
      return this.#numbers.get(head) ?? -1;
    }
    return Uint8Array.from(this.#names, (name) => {
      const whole = name.split(".").length < NAME_TOKENS;
      return (whole ? matchesFilter(filter, name) : matchesFilter(head, name)) ? 1 : 0;
    });
  }

  #test(filter: string): Test {
    const tokens = filter.split(".");
    const open = tokens.at(-1) === ">";
    const ahead = tokens.slice(0, NAME_TOKENS);
    // What is cut off may be anything; a name that is shorter is a whole subject.
    const head = tokens.length > NAME_TOKENS ? ahead.join(".") : filter;
    const names = this.#namesOf(filter, head);
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
    const fd = openSync(path, "wx", 0o600);
    try {
      for (const one of [first, seqs, offsets, names, fifths, tails]) {
        const bytes = Buffer.from(one.buffer, one.byteOffset, one.byteLength);
        for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done);
      }
    } finally {
      closeSync(fd);
    }
  }
}

/** Reads an index; undefined when it is not whole. Numbers are those of the machine that wrote it. */
export function readIndex(path: string): { index: EventIndex; sha256: string } | undefined {
  try {
    const read = readFileSync(path);
    // A small file may lie anywhere in a shared buffer, where no number of eight bytes may begin.
    const file = read.byteOffset % HEADER === 0 ? read : Buffer.from(new Uint8Array(read).buffer);
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
    // Not copied: of a million events it is a fifth of what the process takes.
    const view = (width: number): [ArrayBuffer, number, number] => {
      const start = file.byteOffset + at;
      at += count * width;
      return [file.buffer, start, count];
    };
    const held: Columns = {
      seqs: new Float64Array(...view(8)),
      offsets: new Float64Array(...view(8)),
      names: new Uint32Array(...view(4)),
      fifths: new Uint32Array(...view(4)),
      tails: new Uint32Array(...view(4)),
    };
    return { index: new EventIndex(held, head.names, head.endOffset), sha256: head.sha256 };
  } catch {
    return undefined;
  }
}
