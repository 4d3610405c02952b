/** The port `Live`: ephemeral messages (tokens, feeds, queries, figures). Nothing here is ever the truth. */
export interface Live {
  publish(subject: string, data: unknown): void;
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
