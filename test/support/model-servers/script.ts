// What a test tells a model server to answer.

export interface ScriptedCall {
  id: string;
  name: string;
  /** The arguments' JSON text, so that a test can send a broken one. */
  json: string;
}

export interface ScriptedUsage {
  input: number;
  output: number;
  cached?: number;
}

/**
 * What goes wrong. Status faults answer instead of a stream; the `mid` faults strike after half of the frames.
 * - `status`: with that status, an error body of the format (holding `echo`, if given) and headers
 * - `html`: 200 and a web page; `garbage`: 200, the right content type, bytes that are no frames
 * - `garbage-mid`: a frame that is no JSON; `broken-mid`: the socket is destroyed; `ended-mid`: a proper end without the
 *   format's own; `hang`: no byte at all; `hang-mid`: no further byte; `error-mid`: the format's error frame
 */
export type Fault =
  | { kind: "status"; status: number; headers?: Record<string, string>; echo?: string }
  | {
      kind: "html" | "garbage" | "garbage-mid" | "broken-mid" | "ended-mid" | "hang" | "hang-mid" | "error-mid";
    };

export interface Script {
  text?: string[];
  calls?: ScriptedCall[];
  usage?: ScriptedUsage;
  /** The answer stops at the output limit. */
  cutOff?: boolean;
  fault?: Fault;
  /** Cuts the bytes inside every multi-byte character, each part in its own write. */
  splitUtf8?: boolean;
  /** Half of the frames are sent, the others once this has resolved. */
  pauseUntil?: Promise<unknown>;
  /** Between two frames. */
  frameDelayMs?: number;
}

/** How one API looks on the wire. */
export interface WireFormat {
  contentType: string;
  /** Does this request ask for an answer? Others are answered by `other`. */
  asksForAnswer(method: string, path: string): boolean;
  other(method: string, path: string): { status: number; body: string };
  /** The frames of a whole answer, in order. */
  frames(script: Script): string[];
  errorBody(status: number, message: string): string;
  errorFrame: string;
  brokenFrame: string;
}
