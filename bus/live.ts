/** The port `Live`: ephemeral messages (tokens, feeds, queries, figures). Nothing here is ever the truth. */
export interface PublishBound {
  readonly maxBytes: number;
  readonly instead: unknown;
}

/** The JSON that is sent for `data`. */
export function boundedJson(data: unknown, bound?: PublishBound): string {
  const json = JSON.stringify(data);
  return bound !== undefined && Buffer.byteLength(json) > bound.maxBytes ? JSON.stringify(bound.instead) : json;
}

export interface Live {
  /** With `bound`, what is larger than `maxBytes` of JSON is replaced by `instead`. */
  publish(subject: string, data: unknown, bound?: PublishBound): void;
  /** Calls `handler` for each message until the returned function is called. Malformed payloads are dropped. */
  subscribe(subject: string, handler: (data: unknown, subject: string) => void): () => void;
  /** Asks a service; rejects with BUS_REQUEST_TIMEOUT or BUS_UNAVAILABLE (nobody serves it). */
  request(subject: string, data: unknown, timeoutMs: number): Promise<unknown>;
  /**
   * Answers requests; a handler that rejects answers `{ error: { code, message } }`, one that resolves to undefined
   * stays silent (another process holds the matter). With `queue`, one of its members answers.
   */
  serve(subject: string, handler: (data: unknown) => Promise<unknown>, queue?: string): () => void;
}
