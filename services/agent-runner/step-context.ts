/** What a step of a turn is run with: the words between the loop of turn.ts and the steps it takes. */
import type { NewEvent, StoredEvent } from "../../bus/event.ts";
import type { Ports } from "../../bus/runtime.ts";
import type { DataOf, MessageType } from "../../schemas/index.ts";
import type { TurnLimits } from "./decide.ts";
import type { ChatHistory } from "./history.ts";
import type { Journal } from "./journal.ts";
import type { Model } from "./model/port.ts";
import type { Tool } from "./tools/tool.ts";

export interface StepSettings {
  readonly systemPrompt: string;
  readonly maxOutputTokens: number;
  readonly limits: TurnLimits;
}

/** What is streamed now, for a reader that comes in the middle. */
export interface Streaming {
  epoch: number;
  step: number;
  attempt: number;
  text: string;
}

/** Made for one step; a step keeps nothing else of its turn. */
export interface StepContext {
  readonly ports: Ports;
  readonly model: Model;
  readonly tools: ReadonlyMap<string, Tool>;
  readonly settings: StepSettings;
  readonly request: StoredEvent<"TurnRequested">;
  /** Moves on while a step waits: signals are folded as they come. */
  readonly journal: Journal;
  readonly streaming: Streaming;
  /** Epoch of the claim this runner holds. */
  readonly epoch: number;
  /** How each event of the turn begins. */
  readonly turnData: { readonly channel: string; readonly chat: string; readonly turn: string };
  /** Aborted when the turn is to be cancelled: its end is written by the loop. */
  readonly interrupt: AbortSignal;
  /** Aborted when the runner drops the turn: nothing is written any more. */
  readonly stop: AbortSignal;
  /** Makes an event of the turn; its id is derived from `type` and `callKey`. */
  event<T extends MessageType>(type: T, callKey: string, data: DataOf[T]): NewEvent<T>;
  /**
   * Appends a step, fenced by the run. True when it stands in the log, false when the journal has moved and must be looked
   * at again. Rejects when the turn is lost or the event does not fit the log.
   */
  step<T extends MessageType>(one: NewEvent<T>): Promise<boolean>;
  /** As `step`; refused, too, when anything stands in the turn that the journal does not hold. */
  end<T extends MessageType>(one: NewEvent<T>): Promise<boolean>;
  /** What every end says: by whom, in which reply, to which messages. */
  ending(): Pick<DataOf["TurnCompleted"], "epoch" | "reply" | "replyTo" | "answers">;
  /** Reads the journal anew from the log. Rejects when the turn is lost. */
  refold(): Promise<void>;
  /** The conversation before the turn. */
  history(): ReturnType<ChatHistory["load"]>;
}
