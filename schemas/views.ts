/**
 * Shapes that cross from the read model to the page and the CLI: views, socket frames, HTTP bodies.
 * They are derived from the log and may change with any release; events may not.
 */

/** One conversation. `lastAt` is RFC 3339. */
export interface ChatView {
  channel: string;
  chat: string;
  title: string;
  /** The chat's own model, absent: the configured one. */
  model?: string;
  lastText: string;
  lastAt: string;
  running: boolean;
  changedSeq: number;
}

/** A person's message. `seq` orders the conversation; `changedSeq` is the last event that changed this item. */
export interface MessageView {
  kind: "message";
  key: string;
  seq: number;
  changedSeq: number;
  message: string;
  fromName: string;
  owner: boolean;
  text: string;
  edited: boolean;
  deleted: boolean;
  at: string;
  /** The turn that answers it; absent while it waits for the turn before. */
  turn?: string;
}

export type TurnState =
  | "queued"
  | "running"
  | "retrying"
  | "waiting"
  | "completed"
  | "failed"
  | "cancelled"
  /** A later attempt replaced it. */
  | "superseded";

/** What happened in a turn before its end, in order. */
export type StepView =
  | { type: "text"; step: number; text: string }
  | {
      type: "tool";
      step: number;
      callId: string;
      name: string;
      arguments: Record<string, unknown>;
      state: "running" | "ok" | "error" | "interrupted" | "refused";
      result?: string;
      durationMs?: number;
    }
  | { type: "steered"; message: string }
  | { type: "said"; text: string }
  | { type: "retry"; attempt: number; code: string; message: string; retryAfterMs?: number };

/** A turn: one run of the agent and its answer. */
export interface TurnView {
  kind: "turn";
  key: string;
  seq: number;
  changedSeq: number;
  turn: string;
  attempt: number;
  state: TurnState;
  /** Counts the runners that took it; above 1 the text before was replaced. */
  epoch: number;
  model: string;
  steps: StepView[];
  /** The answer, or what the reader is told of a failure; "" while it runs. */
  text: string;
  /** Error code of a failed turn. */
  code?: string;
  startedAt: string;
  endedAt?: string;
  inputTokens: number;
  outputTokens: number;
}

export type ItemView = MessageView | TurnView;

/** One event in the log view. `line` says in words what happened. */
export interface EventRow {
  seq: number;
  at: string;
  type: string;
  source: string;
  subject: string;
  id: string;
  causationId?: string;
  turn?: string;
  line: string;
}

export interface ProcessView {
  name: string;
  pid: number;
  ready: boolean;
  restarts: number;
  uptimeMs: number;
  /** Events of the log not yet seen by it; absent for one that follows none. */
  lag?: number;
  rssBytes: number;
  eventLoopDelayMs: number;
  /** Why it is not ready. */
  reason?: string;
}

export interface HealthView {
  ready: boolean;
  reason?: string;
  version: string;
  processes: ProcessView[];
  intakePaused?: string;
}

export interface ModelsView {
  /** Model of a chat that chose none. */
  configured: string;
  choices: { id: string; name: string; local: boolean }[];
}

/** Error body of every HTTP refusal and every error frame. */
export interface ErrorView {
  code: string;
  message: string;
  action: string;
}

/** Frames from the page. `after` is the highest `changedSeq` (or event `seq`) the page holds, 0 for nothing. */
export type ClientFrame =
  | { type: "subscribe"; chat: string; after: number }
  | { type: "unsubscribe"; chat: string }
  | { type: "subscribe-events"; chat: string; after: number }
  | { type: "unsubscribe-events"; chat: string }
  | { type: "ping" };

export type ServerFrame =
  | { type: "hello"; version: string }
  | { type: "chats"; chats: ChatView[] }
  /** Changed items in order of `changedSeq`; `reset`: forget what you hold of this chat first. */
  | { type: "items"; chat: string; items: ItemView[]; cursor: number; reset: boolean }
  /**
   * A piece of the answer; `offset` counts UTF-16 units from the start of the step's text. A higher `attempt` begins the step
   * again: the model was asked once more after a failure.
   */
  | {
      type: "token";
      chat: string;
      turn: string;
      epoch: number;
      step: number;
      attempt: number;
      offset: number;
      text: string;
    }
  /** The whole text of the running step so far, sent after a subscribe and after a gap. */
  | { type: "partial"; chat: string; turn: string; epoch: number; step: number; attempt: number; text: string }
  /** `more` tells of older rows; absent when the frame says nothing of them. */
  | { type: "events"; chat: string; rows: EventRow[]; cursor: number; reset: boolean; more?: boolean }
  | { type: "status"; health: HealthView }
  | { type: "pong" }
  | ({ type: "error"; chat?: string } & ErrorView);

/** Body of POST /api/chats/:chat/messages. The id is the sender's own; sent twice it is one message. */
export interface PostMessage {
  id: string;
  text: string;
  mode?: "queue" | "steer" | "interrupt";
  model?: string;
}
