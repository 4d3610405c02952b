import { memo } from "preact/compat";
import { useRef, useState } from "preact/hooks";
import type { MessageView, StepView, TurnView } from "../../schemas/views.ts";
import { quickNow } from "../shell/clock.ts";
import { CopyButton } from "../shell/copy.tsx";
import { Icon } from "../shell/icons.tsx";
import { Time } from "../shell/time.tsx";
import { isOpen } from "../state/items.ts";
import { command } from "../state/store.ts";
import { openSteps, type TurnStream } from "../state/streams.ts";
import { spanWords } from "../words/time.ts";
import { retryWords, turnWords } from "../words/turn.ts";
import { Answer } from "./answer.tsx";
import { EventsButton, Message } from "./message.tsx";
import { ToolCall } from "./tool-call.tsx";

interface TurnProps {
  turn: TurnView;
  stream: TurnStream | undefined;
  steered: ReadonlyMap<string, MessageView>;
  chat: string;
  channel: string;
}

/** One run of the agent: what it did in order, and its answer. */
export const Turn = memo(function Turn(props: TurnProps) {
  const { turn } = props;
  if (turn.state !== "superseded") return <TurnBody {...props} />;
  return (
    <details class="superseded">
      <summary>Attempt {turn.attempt}, replaced by a later one</summary>
      <TurnBody {...props} />
    </details>
  );
});

function TurnBody({ turn, stream, steered, chat, channel }: TurnProps) {
  const writing = openSteps(stream, turn);
  const last = writing.at(-1);
  // The element that was written into becomes the answer's, so that a selection in it survives the end.
  const textKey = useRef("text-final");
  if (last !== undefined) textKey.current = `text-${last.step}`;
  const words = turnWords(turn, writing.length > 0);
  const isRestarted = turn.epoch > 1 || stream?.restarted === true;
  const isFailed = turn.state === "failed";
  const answer = turn.text !== "" && !isFailed ? turn.text : undefined;
  const steps = turn.steps.filter((step, index) => !isRepeatOfAnswer(turn, step, index));
  return (
    <article
      class={`turn turn-${turn.state}`}
      data-testid="turn"
      data-turn={turn.turn}
      data-key={turn.key}
      data-state={turn.state}
      data-epoch={Math.max(turn.epoch, stream?.epoch ?? 0)}
      aria-busy={isOpen(turn)}
    >
      {isRestarted && (
        <p class="note" data-testid="restarted">
          <Icon name="retry" /> Started again after a process ended.
        </p>
      )}
      {steps.map((step) => (
        <Step key={stepKey(step)} step={step} steered={steered} />
      ))}
      {writing.map(({ step, text }) => (
        <Answer key={`text-${step}`} text={text} {...(step === last?.step ? { testId: "turn-text" } : {})} writing />
      ))}
      {answer !== undefined && <Answer key={textKey.current} text={answer} testId="turn-text" />}
      {isFailed && <Failure turn={turn} />}
      {words !== "" && !isFailed && (
        <p class="turn-words">
          {turn.state === "cancelled" && <Icon name="stop" />}
          {words}
          {isOpen(turn) && <Elapsed since={turn.startedAt} />}
        </p>
      )}
      <footer class="meta">
        {!isOpen(turn) && <Facts turn={turn} />}
        {answer !== undefined && <CopyButton text={answer} label="Copy the answer" />}
        {(isFailed || turn.state === "cancelled") && <Retry turn={turn.turn} chat={chat} channel={channel} />}
        <EventsButton item={turn.key} />
      </footer>
    </article>
  );
}

/** A read model may tell the final text as the last step too; it is shown once. */
function isRepeatOfAnswer(turn: TurnView, step: StepView, index: number): boolean {
  return step.type === "text" && index === turn.steps.length - 1 && !isOpen(turn) && step.text === turn.text;
}

function stepKey(step: StepView): string {
  switch (step.type) {
    case "text":
      return `text-${step.step}`;
    case "tool":
      return `tool-${step.callId}`;
    case "steered":
      return `steered-${step.message}`;
    case "said":
      return `said-${step.text}`;
    case "retry":
      return `retry-${step.attempt}`;
  }
}

function Step({ step, steered }: { step: StepView; steered: ReadonlyMap<string, MessageView> }) {
  switch (step.type) {
    case "text":
      return <Answer text={step.text} />;
    case "tool":
      return <ToolCall step={step} />;
    case "steered": {
      const message = steered.get(step.message);
      if (message === undefined) return <p class="note">A message was added here.</p>;
      return (
        <div class="steered">
          <p class="note">Added to this answer</p>
          <Message item={message} />
        </div>
      );
    }
    case "said":
      return (
        <div class="said">
          <Answer text={step.text} />
        </div>
      );
    case "retry":
      return (
        <p class="note attention" data-testid="retry-note" title={step.message}>
          <Icon name="retry" /> {retryWords(step)}
        </p>
      );
  }
}

function Elapsed({ since }: { since: string }) {
  const seconds = Math.floor((quickNow.value - Date.parse(since)) / 1000);
  // Below two seconds a figure is only noise; a clock behind the server's gives less than none.
  return seconds >= 2 ? <span class="figure">, {spanWords(seconds * 1000)}</span> : null;
}

function Failure({ turn }: { turn: TurnView }) {
  return (
    <div class="failure" role="group" aria-label="No answer">
      <Icon name="warn" />
      <div>
        <strong>No answer</strong>
        <p dir="auto" data-testid="turn-text">
          {turn.text === "" ? "The turn failed. Your message is in the log." : turn.text}
        </p>
        {turn.code !== undefined && <code>{turn.code}</code>}
      </div>
    </div>
  );
}

function Facts({ turn }: { turn: TurnView }) {
  const endedAt = turn.endedAt ?? turn.startedAt;
  const tookMs = Date.parse(endedAt) - Date.parse(turn.startedAt);
  const tokens = turn.inputTokens + turn.outputTokens;
  return (
    <span class="on-hover">
      <Time at={endedAt} />
      {turn.model !== "" && ` · ${turn.model}`}
      {tookMs > 0 && ` · ${spanWords(tookMs)}`}
      {tokens > 0 && ` · ${tokens} tokens`}
    </span>
  );
}

function Retry({ turn, chat, channel }: { turn: string; chat: string; channel: string }) {
  const [asked, setAsked] = useState(false);
  const retry = async (): Promise<void> => {
    setAsked(true);
    const taken = await command({ type: "RetryTurn", channel, chat, turn });
    // Asked again the router refuses the second wish, so the button may come back after a while.
    setTimeout(() => setAsked(false), taken ? 5000 : 0);
  };
  return (
    <button type="button" class="quiet retry" data-testid="retry" disabled={asked} onClick={() => void retry()}>
      <Icon name="retry" />
      <span>{asked ? "Asked again" : "Retry"}</span>
    </button>
  );
}
