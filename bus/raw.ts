/** A stored message as it is, undecoded: for those who carry the log elsewhere and must not change a byte of it. */
import type { RawMessage } from "./codec.ts";
import type { FetchOptions } from "./log.ts";

export interface StoredMessage {
  readonly seq: number;
  readonly subject: string;
  readonly storedAtMs: number;
  /** A list where a name occurs more than once. Those of the protocol (`Nats-…`) are left out. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly payload: Uint8Array;
}

export interface RawReader {
  /** Reads a bounded stretch in order. Rejects with BUS_UNAVAILABLE or BUS_REQUEST_TIMEOUT. */
  fetchRaw(options: FetchOptions): Promise<StoredMessage[]>;
}

/** The message as the codec takes it. */
export function rawMessage({ seq, subject, storedAtMs, headers, payload }: StoredMessage): RawMessage {
  const header = (name: string): string => {
    const value = Object.hasOwn(headers, name) ? headers[name] : undefined;
    return (typeof value === "string" ? value : value?.[0]) ?? "";
  };
  return { seq, subject, storedAtMs, payload, header };
}
