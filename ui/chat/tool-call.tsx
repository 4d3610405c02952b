import { useRef } from "preact/hooks";
import type { StepView } from "../../schemas/views.ts";
import { quickNow } from "../shell/clock.ts";
import { CopyButton } from "../shell/copy.tsx";
import { Icon } from "../shell/icons.tsx";
import { spanWords } from "../words/time.ts";
import { argumentLine, toolStateWords } from "../words/turn.ts";

type ToolStep = Extract<StepView, { type: "tool" }>;

/** A tool call on one line; opens to its arguments and result. */
export function ToolCall({ step }: { step: ToolStep }) {
  const verb = step.state === "running" ? "Calling" : "Called";
  return (
    <details class={`tool tool-${step.state}`} data-testid="tool-call" data-state={step.state} data-call={step.callId}>
      <summary>
        <Icon name={step.state === "ok" || step.state === "running" ? "tool" : "warn"} />
        <span class="verb">
          {verb} <b>{step.name}</b>
        </span>
        <span class="target" dir="auto">
          {argumentLine(step.arguments)}
        </span>
        <span class="outcome">
          {step.durationMs !== undefined && <span class="figure">{spanWords(step.durationMs)} </span>}
          {toolStateWords(step.state)}
          {step.state === "running" && <Elapsed />}
        </span>
        {step.state === "running" && <span class="progress" aria-hidden="true" />}
      </summary>
      <div class="detail">
        <Value title="Arguments" text={JSON.stringify(step.arguments, null, 2)} />
        {step.result === undefined ? (
          <p class="quiet-words">
            {step.state === "running" ? "No result yet." : `No result: ${toolStateWords(step.state)}.`}
          </p>
        ) : (
          <Value title="Result" text={step.result} />
        )}
      </div>
    </details>
  );
}

/** Seconds since this page first saw it run: the item has no start time of a call. */
function Elapsed() {
  const sinceMs = useRef(Date.now());
  const ms = quickNow.value - sinceMs.current;
  return ms < 1000 ? null : <span class="figure"> {spanWords(Math.floor(ms / 1000) * 1000)}</span>;
}

function Value({ title, text }: { title: string; text: string }) {
  return (
    <section>
      <header>
        <h4>{title}</h4>
        <CopyButton text={text} label={`Copy ${title.toLowerCase()}`} />
      </header>
      <pre dir="auto" tabIndex={0}>
        {text}
      </pre>
    </section>
  );
}
