// Generated from the JSON Schema files by `npm run generate`. Do not edit.
/**
 * Somebody asked to stop the turn.
 */
export interface CancelRequestedV1 {
  /**
   * channel name
   */
  channel: string;
  /**
   * platform's id of the chat
   */
  chat: string;
  /**
   * HMAC of the triggering event and the attempt
   */
  turn: string;
  reason: "user" | "interrupted";
  by?: {
    id: string;
    channel: string;
  };
  /**
   * what the decider had read: the arrival order, fed back in a replay
   */
  seen?: {
    /**
     * every event of its reading up to this sequence was folded
     */
    through: number;
    /**
     * sequence after which it last looked and had nothing to decide
     */
    quiet?: number;
  };
}
/**
 * A channel's account was closed because it flooded the log.
 */
export interface ChannelClosedV1 {
  process: string;
  channel: string;
  bytes: number;
  seconds: number;
}
/**
 * The chat's model was chosen.
 */
export interface ChatModelSelectedV1 {
  /**
   * channel name
   */
  channel: string;
  /**
   * platform's id of the chat
   */
  chat: string;
  model: string;
  by: {
    id: string;
    channel: string;
  };
  /**
   * what the decider had read: the arrival order, fed back in a replay
   */
  seen?: {
    /**
     * every event of its reading up to this sequence was folded
     */
    through: number;
    /**
     * sequence after which it last looked and had nothing to decide
     */
    quiet?: number;
  };
}
/**
 * The owner of the matter refused a command.
 */
export interface CommandRefusedV1 {
  command: string;
  commandType: string;
  code: string;
  message: string;
  /**
   * channel name
   */
  channel?: string;
  /**
   * platform's id of the chat
   */
  chat?: string;
  /**
   * what the decider had read: the arrival order, fed back in a replay
   */
  seen?: {
    /**
     * every event of its reading up to this sequence was folded
     */
    through: number;
    /**
     * sequence after which it last looked and had nothing to decide
     */
    quiet?: number;
  };
}
/**
 * A process could not handle an event and went on without it.
 */
export interface DeadLetteredV1 {
  process: string;
  seq: number;
  subject: string;
  code: string;
  message: string;
}
/**
 * Channels take no messages.
 */
export interface IntakePausedV1 {
  process: string;
  reason: string;
}
/**
 * Channels take messages again.
 */
export interface IntakeResumedV1 {
  process: string;
  reason: string;
}
/**
 * A person took a message back.
 */
export interface MessageDeletedV1 {
  /**
   * channel name
   */
  channel: string;
  /**
   * platform's id of the chat
   */
  chat: string;
  message: string;
  revision: string;
  from: {
    id: string;
    name?: string;
    owner: boolean;
  };
}
/**
 * A person changed a message; may arrive before the message.
 */
export interface MessageEditedV1 {
  /**
   * channel name
   */
  channel: string;
  /**
   * platform's id of the chat
   */
  chat: string;
  message: string;
  /**
   * platform's mark of this revision
   */
  revision: string;
  from: {
    id: string;
    name?: string;
    owner: boolean;
  };
  text: string;
  /**
   * RFC 3339 time
   */
  sentAt?: string;
}
/**
 * A person's message arrived on a channel.
 */
export interface MessageReceivedV1 {
  /**
   * channel name
   */
  channel: string;
  /**
   * platform's id of the chat
   */
  chat: string;
  message: string;
  from: {
    id: string;
    name?: string;
    owner: boolean;
  };
  text: string;
  /**
   * RFC 3339 time
   */
  sentAt?: string;
  /**
   * what to do when a turn runs; absent: the chat's own setting
   */
  mode?: "queue" | "steer" | "interrupt";
  model?: string;
}
/**
 * The model finished a step that is not the last one.
 */
export interface ModelStepCompletedV1 {
  /**
   * channel name
   */
  channel: string;
  /**
   * platform's id of the chat
   */
  chat: string;
  /**
   * HMAC of the triggering event and the attempt
   */
  turn: string;
  /**
   * counts the claims of the turn
   */
  epoch: number;
  /**
   * index of the step in the turn, from 0
   */
  step: number;
  /**
   * how often this step was asked before in the turn
   */
  attempt: number;
  model: string;
  /**
   * SHA-256 of the canonical full model request
   */
  requestHash: string;
  /**
   * sequence of the last signal the request contains, 0 for none
   */
  signalsThrough: number;
  text: string;
  /**
   * @maxItems 32
   */
  toolCalls: {
    callId: string;
    name: string;
    arguments: {};
  }[];
  finishReason: "stop" | "tool-calls" | "length" | "other";
  usage: {
    inputTokens: number;
    outputTokens: number;
    cachedInputTokens: number;
    reasoningTokens: number;
  };
  /**
   * the provider's own figures, as sent
   */
  rawUsage?: {
    [k: string]: unknown;
  };
  firstTokenMs: number;
  durationMs: number;
}
/**
 * A model call failed; it is asked again or the turn fails.
 */
export interface ModelStepFailedV1 {
  /**
   * channel name
   */
  channel: string;
  /**
   * platform's id of the chat
   */
  chat: string;
  /**
   * HMAC of the triggering event and the attempt
   */
  turn: string;
  /**
   * counts the claims of the turn
   */
  epoch: number;
  step: number;
  attempt: number;
  model: string;
  requestHash: string;
  /**
   * sequence of the last signal the request contains, 0 for none
   */
  signalsThrough?: number;
  code: string;
  message: string;
  retryable: boolean;
  retryAfterMs?: number;
  /**
   * how long after this failure the model is asked again; absent when it is not
   */
  retryInMs?: number;
  partialChars?: number;
  durationMs: number;
}
/**
 * A process ended.
 */
export interface ProcessExitedV1 {
  process: string;
  pid: number;
  exitCode?: number;
  signal?: string;
  restarts: number;
  reason: string;
}
/**
 * The supervisor started a process.
 */
export interface ProcessStartedV1 {
  process: string;
  pid: number;
  version: string;
  restarts: number;
}
/**
 * The chat is told something before the end of the turn.
 */
export interface SendRequestedV1 {
  /**
   * channel name
   */
  channel: string;
  /**
   * platform's id of the chat
   */
  chat: string;
  /**
   * HMAC of the triggering event and the attempt
   */
  turn: string;
  /**
   * counts the claims of the turn
   */
  epoch: number;
  reply: string;
  replyTo: {
    /**
     * channel name
     */
    channel: string;
    /**
     * platform's id of the chat
     */
    chat: string;
  };
  text: string;
}
/**
 * A message joined the turn that runs.
 */
export interface SteeredV1 {
  /**
   * channel name
   */
  channel: string;
  /**
   * platform's id of the chat
   */
  chat: string;
  /**
   * HMAC of the triggering event and the attempt
   */
  turn: string;
  message: {
    /**
     * platform's id of the message
     */
    message: string;
    /**
     * log sequence of its MessageReceived
     */
    seq: number;
  };
  /**
   * what the decider had read: the arrival order, fed back in a replay
   */
  seen?: {
    /**
     * every event of its reading up to this sequence was folded
     */
    through: number;
    /**
     * sequence after which it last looked and had nothing to decide
     */
    quiet?: number;
  };
}
/**
 * A task was taken off the due list.
 */
export interface TaskCancelledV1 {
  group: string;
  task: string;
  by: {
    id: string;
    channel: string;
  };
  /**
   * what the decider had read: the arrival order, fed back in a replay
   */
  seen?: {
    /**
     * every event of its reading up to this sequence was folded
     */
    through: number;
  };
}
/**
 * A task came due.
 */
export interface TaskFiredV1 {
  group: string;
  task: string;
  /**
   * RFC 3339 time
   */
  due: string;
  replyTo: {
    /**
     * channel name
     */
    channel: string;
    /**
     * platform's id of the chat
     */
    chat: string;
  };
  text: string;
  lateMs: number;
  /**
   * what the decider had read, and its clock: fed back in a replay
   */
  seen?: {
    /**
     * every event of its reading up to this sequence was folded
     */
    through: number;
    /**
     * how far it had read when it last looked and this was not due
     */
    quiet?: number;
    /**
     * its clock then
     */
    quietAt?: string;
  };
}
/**
 * A task stands in the due list.
 */
export interface TaskScheduledV1 {
  group: string;
  task: string;
  /**
   * RFC 3339 time
   */
  due: string;
  replyTo: {
    /**
     * channel name
     */
    channel: string;
    /**
     * platform's id of the chat
     */
    chat: string;
  };
  text: string;
  by: {
    id: string;
    channel: string;
  };
  /**
   * what the decider had read: the arrival order, fed back in a replay
   */
  seen?: {
    /**
     * every event of its reading up to this sequence was folded
     */
    through: number;
  };
}
/**
 * A parked turn's time came.
 */
export interface TimerFiredV1 {
  group: string;
  task: string;
  /**
   * RFC 3339 time
   */
  due: string;
  parked: {
    /**
     * channel name
     */
    channel: string;
    /**
     * platform's id of the chat
     */
    chat: string;
    /**
     * HMAC of the triggering event and the attempt
     */
    turn: string;
  };
  /**
   * what the decider had read, and its clock: fed back in a replay
   */
  seen?: {
    /**
     * every event of its reading up to this sequence was folded
     */
    through: number;
    /**
     * how far it had read when it last looked and this was not due
     */
    quiet?: number;
    /**
     * its clock then
     */
    quietAt?: string;
  };
}
/**
 * The runner is about to run a tool.
 */
export interface ToolCalledV1 {
  /**
   * channel name
   */
  channel: string;
  /**
   * platform's id of the chat
   */
  chat: string;
  /**
   * HMAC of the triggering event and the attempt
   */
  turn: string;
  /**
   * counts the claims of the turn
   */
  epoch: number;
  step: number;
  callId: string;
  name: string;
  arguments: {};
  effect: "pure" | "idempotent" | "at-most-once";
}
/**
 * A tool ended.
 */
export interface ToolCompletedV1 {
  /**
   * channel name
   */
  channel: string;
  /**
   * platform's id of the chat
   */
  chat: string;
  /**
   * HMAC of the triggering event and the attempt
   */
  turn: string;
  /**
   * counts the claims of the turn
   */
  epoch: number;
  step: number;
  callId: string;
  name: string;
  outcome: "ok" | "error" | "interrupted" | "refused";
  result: string;
  durationMs: number;
}
/**
 * The turn was stopped.
 */
export interface TurnCancelledV1 {
  /**
   * channel name
   */
  channel: string;
  /**
   * platform's id of the chat
   */
  chat: string;
  /**
   * HMAC of the triggering event and the attempt
   */
  turn: string;
  /**
   * counts the claims of the turn
   */
  epoch: number;
  reply: string;
  replyTo: {
    /**
     * channel name
     */
    channel: string;
    /**
     * platform's id of the chat
     */
    chat: string;
  };
  reason: "user" | "interrupted";
  partialText: string;
  /**
   * @maxItems 256
   */
  answers: string[];
}
/**
 * A runner took the turn, before any work.
 */
export interface TurnClaimedV1 {
  /**
   * channel name
   */
  channel: string;
  /**
   * platform's id of the chat
   */
  chat: string;
  /**
   * HMAC of the triggering event and the attempt
   */
  turn: string;
  /**
   * counts the claims of the turn
   */
  epoch: number;
  runner: string;
  reason: "new" | "takeover" | "resumed";
  /**
   * the clock reading all prompts of this claim use
   */
  clock: string;
  model: string;
  versions: {
    code: string;
    prompt: string;
    tools: string;
    policy: string;
    config: string;
  };
}
/**
 * The turn ended; the order to send its answer.
 */
export interface TurnCompletedV1 {
  /**
   * channel name
   */
  channel: string;
  /**
   * platform's id of the chat
   */
  chat: string;
  /**
   * HMAC of the triggering event and the attempt
   */
  turn: string;
  /**
   * counts the claims of the turn
   */
  epoch: number;
  reply: string;
  replyTo: {
    /**
     * channel name
     */
    channel: string;
    /**
     * platform's id of the chat
     */
    chat: string;
  };
  text: string;
  /**
   * @maxItems 256
   */
  answers: string[];
  /**
   * the last model step, so that no event stands between it and the end
   */
  lastStep: {
    /**
     * index of the step in the turn, from 0
     */
    step: number;
    /**
     * how often this step was asked before in the turn
     */
    attempt: number;
    model: string;
    /**
     * SHA-256 of the canonical full model request
     */
    requestHash: string;
    /**
     * sequence of the last signal the request contains, 0 for none
     */
    signalsThrough: number;
    text: string;
    /**
     * @maxItems 32
     */
    toolCalls: {
      callId: string;
      name: string;
      arguments: {};
    }[];
    finishReason: "stop" | "tool-calls" | "length" | "other";
    usage: {
      inputTokens: number;
      outputTokens: number;
      cachedInputTokens: number;
      reasoningTokens: number;
    };
    /**
     * the provider's own figures, as sent
     */
    rawUsage?: {
      [k: string]: unknown;
    };
    firstTokenMs: number;
    durationMs: number;
  };
}
/**
 * The turn ended without an answer; the chat is told why.
 */
export interface TurnFailedV1 {
  /**
   * channel name
   */
  channel: string;
  /**
   * platform's id of the chat
   */
  chat: string;
  /**
   * HMAC of the triggering event and the attempt
   */
  turn: string;
  /**
   * counts the claims of the turn
   */
  epoch: number;
  reply: string;
  replyTo: {
    /**
     * channel name
     */
    channel: string;
    /**
     * platform's id of the chat
     */
    chat: string;
  };
  code: string;
  /**
   * what the reader sees
   */
  text: string;
  /**
   * @maxItems 256
   */
  answers: string[];
}
/**
 * The turn waits and holds no process.
 */
export interface TurnParkedV1 {
  /**
   * channel name
   */
  channel: string;
  /**
   * platform's id of the chat
   */
  chat: string;
  /**
   * HMAC of the triggering event and the attempt
   */
  turn: string;
  /**
   * counts the claims of the turn
   */
  epoch: number;
  waitingFor: "timer" | "approval";
  /**
   * RFC 3339 time
   */
  resumeAt?: string;
}
/**
 * The router opened a turn; the runners' work queue.
 */
export interface TurnRequestedV1 {
  /**
   * channel name
   */
  channel: string;
  /**
   * platform's id of the chat
   */
  chat: string;
  /**
   * HMAC of the triggering event and the attempt
   */
  turn: string;
  /**
   * 1 for the first; a retry counts up
   */
  attempt: number;
  group: string;
  trigger: {
    type: string;
    id: string;
    seq: number;
  };
  /**
   * every message this turn answers
   *
   * @maxItems 256
   */
  messages: {
    /**
     * platform's id of the message
     */
    message: string;
    /**
     * log sequence of its MessageReceived
     */
    seq: number;
  }[];
  /**
   * first sequence of the conversation the model may see
   */
  historyFrom: number;
  /**
   * the chat's model; absent: the configured one
   */
  model?: string;
  /**
   * where the answer goes
   */
  replyTo: {
    /**
     * channel name
     */
    channel: string;
    /**
     * platform's id of the chat
     */
    chat: string;
  };
  /**
   * text of a task, which has no message
   */
  prompt?: string;
  /**
   * the turn this attempt replaces
   */
  retryOf?: string;
  /**
   * what the decider had read: the arrival order, fed back in a replay
   */
  seen?: {
    /**
     * every event of its reading up to this sequence was folded
     */
    through: number;
    /**
     * sequence after which it last looked and had nothing to decide
     */
    quiet?: number;
  };
}
/**
 * What a parked turn waited for is there.
 */
export interface TurnResumedV1 {
  /**
   * channel name
   */
  channel: string;
  /**
   * platform's id of the chat
   */
  chat: string;
  /**
   * HMAC of the triggering event and the attempt
   */
  turn: string;
  reason: "timer" | "signal";
  /**
   * what the decider had read: the arrival order, fed back in a replay
   */
  seen?: {
    /**
     * every event of its reading up to this sequence was folded
     */
    through: number;
    /**
     * sequence after which it last looked and had nothing to decide
     */
    quiet?: number;
  };
}
/**
 * Take a task off the due list.
 */
export interface CancelTaskV1 {
  /**
   * idempotency key, chosen by the sender
   */
  command: string;
  by: {
    id: string;
    channel: string;
  };
  group: string;
  task: string;
}
/**
 * Stop the turn that runs in a chat.
 */
export interface CancelTurnV1 {
  /**
   * idempotency key, chosen by the sender
   */
  command: string;
  by: {
    id: string;
    channel: string;
  };
  /**
   * channel name
   */
  channel: string;
  /**
   * platform's id of the chat
   */
  chat: string;
  /**
   * HMAC of the triggering event and the attempt
   */
  turn?: string;
}
/**
 * Answer again what an ended turn answered.
 */
export interface RetryTurnV1 {
  /**
   * idempotency key, chosen by the sender
   */
  command: string;
  by: {
    id: string;
    channel: string;
  };
  /**
   * channel name
   */
  channel: string;
  /**
   * platform's id of the chat
   */
  chat: string;
  /**
   * HMAC of the triggering event and the attempt
   */
  turn: string;
}
/**
 * Run a text as a turn at a time, once.
 */
export interface ScheduleTaskV1 {
  /**
   * idempotency key, chosen by the sender
   */
  command: string;
  by: {
    id: string;
    channel: string;
  };
  group: string;
  /**
   * RFC 3339 time
   */
  due: string;
  replyTo: {
    /**
     * channel name
     */
    channel: string;
    /**
     * platform's id of the chat
     */
    chat: string;
  };
  text: string;
}
/**
 * Choose the model of a chat.
 */
export interface SelectChatModelV1 {
  /**
   * idempotency key, chosen by the sender
   */
  command: string;
  by: {
    id: string;
    channel: string;
  };
  /**
   * channel name
   */
  channel: string;
  /**
   * platform's id of the chat
   */
  chat: string;
  model: string;
}

/** Newest data shape of each event and command type. */
export interface DataOf {
  CancelRequested: CancelRequestedV1;
  ChannelClosed: ChannelClosedV1;
  ChatModelSelected: ChatModelSelectedV1;
  CommandRefused: CommandRefusedV1;
  DeadLettered: DeadLetteredV1;
  IntakePaused: IntakePausedV1;
  IntakeResumed: IntakeResumedV1;
  MessageDeleted: MessageDeletedV1;
  MessageEdited: MessageEditedV1;
  MessageReceived: MessageReceivedV1;
  ModelStepCompleted: ModelStepCompletedV1;
  ModelStepFailed: ModelStepFailedV1;
  ProcessExited: ProcessExitedV1;
  ProcessStarted: ProcessStartedV1;
  SendRequested: SendRequestedV1;
  Steered: SteeredV1;
  TaskCancelled: TaskCancelledV1;
  TaskFired: TaskFiredV1;
  TaskScheduled: TaskScheduledV1;
  TimerFired: TimerFiredV1;
  ToolCalled: ToolCalledV1;
  ToolCompleted: ToolCompletedV1;
  TurnCancelled: TurnCancelledV1;
  TurnClaimed: TurnClaimedV1;
  TurnCompleted: TurnCompletedV1;
  TurnFailed: TurnFailedV1;
  TurnParked: TurnParkedV1;
  TurnRequested: TurnRequestedV1;
  TurnResumed: TurnResumedV1;
  CancelTask: CancelTaskV1;
  CancelTurn: CancelTurnV1;
  RetryTurn: RetryTurnV1;
  ScheduleTask: ScheduleTaskV1;
  SelectChatModel: SelectChatModelV1;
}
