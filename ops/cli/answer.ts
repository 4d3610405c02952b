/** Follows one message to its answer: frames of the page's socket in, text to print out. Pure. */
import type { ItemView, ServerFrame, TurnView } from "../../schemas/views.ts";

export type Print =
  /** Text of the answer, to stdout. */
  | { readonly type: "answer"; readonly text: string }
  /** What happens beside it, a line on stderr. */
  | { readonly type: "note"; readonly text: string };

export type Ending = "completed" | "failed" | "cancelled" | "waiting";

export interface AnswerStep {
  readonly prints: Print[];
  readonly ending?: Ending;
}

interface Piece {
  epoch: number;
  step: number;
  /** How often the step was asked before. */
  attempt: number;
  text: string;
}

export class AnswerFollower {
  readonly #message: string;
  /** What streams, by turn: tokens may come before the message's item says which turn answers it. */
  readonly #pieces = new Map<string, Piece>();
  /** Newest state of each turn seen; a conversation's page holds some dozen. */
  readonly #held = new Map<string, TurnView>();
  #turn: string | undefined;
  #view: TurnView | undefined;
  /** What stands on the terminal of the step now shown. */
  #shown = { step: -1, text: "" };
  #toldTools = new Set<string>();
  #told = 0;
  /** Steps whose text is final and shown. */
  #settled = new Set<number>();
  /** The terminal's cursor stands behind a piece of text. */
  #midLine = false;
  #prints: Print[] = [];
  #ending: Ending | undefined;

  constructor(message: string) {
    this.#message = message;
  }

  take(frame: ServerFrame): AnswerStep {
    this.#prints = [];
    if (frame.type === "items") for (const item of frame.items) this.#takeItem(item);
    if (frame.type === "token") this.#takeToken(frame);
    if (frame.type === "partial" && !this.#isOld(frame)) {
      const { turn, epoch, step, attempt, text } = frame;
      this.#pieces.set(turn, { epoch, step, attempt, text });
    }
    this.#show();
    return { prints: this.#prints, ...(this.#ending === undefined ? {} : { ending: this.#ending }) };
  }

  /** A runner that lost the turn, or a try that was given up, may still speak. */
  #isOld(frame: Pick<Piece, "epoch" | "step" | "attempt"> & { turn: string }): boolean {
    const piece = this.#pieces.get(frame.turn);
    if (piece === undefined) return false;
    if (frame.epoch !== piece.epoch) return frame.epoch < piece.epoch;
    return frame.step === piece.step ? frame.attempt < piece.attempt : frame.step < piece.step;
  }

  #takeToken(frame: Extract<ServerFrame, { type: "token" }>): void {
    const { turn, epoch, step, attempt, offset, text } = frame;
    if (this.#isOld(frame)) return;
    let piece = this.#pieces.get(turn);
    if (piece === undefined || piece.epoch !== epoch || piece.step !== step || piece.attempt !== attempt) {
      piece = { epoch, step, attempt, text: "" };
      this.#pieces.set(turn, piece);
    }
    // A gap is filled by the `partial` that follows it, an overlap is known text.
    if (offset <= piece.text.length && offset + text.length > piece.text.length)
      piece.text += text.slice(piece.text.length - offset);
  }

  #takeItem(item: ItemView): void {
    if (item.kind === "message") {
      if (item.message === this.#message && item.turn !== undefined && item.turn !== this.#turn) {
        this.#turn = item.turn;
        this.#view = undefined;
      }
      return;
    }
    // The message's item may come behind the turn's.
    this.#held.set(item.turn, item);
  }

  #show(): void {
    if (this.#turn === undefined) return;
    const view = this.#held.get(this.#turn);
    if (view !== undefined && view !== this.#view) {
      this.#view = view;
      this.#showSteps(view);
    }
    if (view !== undefined && this.#finish(view)) return;
    const piece = this.#pieces.get(this.#turn);
    if (piece === undefined || piece.text === "" || this.#settled.has(piece.step)) return;
    // Tokens overtake the items: what the step before did is told first.
    const before = view?.steps.filter((step) => "step" in step && step.step === piece.step - 1) ?? [];
    const toldBefore = before.length > 0 && !before.some((step) => step.type === "tool" && step.state === "running");
    if (piece.step === 0 || toldBefore) this.#showText(piece.step, piece.text);
  }

  #showSteps(view: TurnView): void {
    for (const [index, step] of view.steps.entries()) {
      if (step.type === "text" && !this.#settled.has(step.step)) {
        this.#showText(step.step, step.text);
        this.#settled.add(step.step);
      } else if (step.type === "tool" && step.state !== "running" && !this.#toldTools.has(step.callId)) {
        this.#toldTools.add(step.callId);
        this.#note(toolLine(step));
      } else if ((step.type === "retry" || step.type === "said") && index >= this.#told) {
        this.#note(step.type === "said" ? step.text : `attempt ${step.attempt} failed: ${step.code}`);
      }
    }
    this.#told = Math.max(this.#told, view.steps.length);
  }

  #finish(view: TurnView): boolean {
    switch (view.state) {
      case "completed": {
        // The text of the end is the log's; what streamed may lack its last tokens.
        const last =
          this.#settled.has(this.#shown.step) || this.#shown.step < 0 ? this.#shown.step + 1 : this.#shown.step;
        this.#showText(last, view.text);
        this.#endLine();
        this.#ending = "completed";
        return true;
      }
      case "failed":
      case "cancelled":
        this.#endLine();
        this.#note(view.text === "" ? (view.state === "failed" ? "the answer failed" : "stopped") : view.text);
        this.#ending = view.state;
        return true;
      case "waiting":
        this.#endLine();
        this.#note("it waits for an approval; answer it on the page");
        this.#ending = "waiting";
        return true;
      case "queued":
      case "running":
      case "retrying":
      case "superseded":
        return false;
    }
  }

  #showText(step: number, text: string): void {
    if (step < this.#shown.step) return;
    if (step > this.#shown.step) {
      this.#endLine();
      this.#shown = { step, text: "" };
    }
    const { text: shown } = this.#shown;
    // A runner that took the turn over, or the next try, repeats what is shown or is still behind it.
    if (shown.startsWith(text)) return;
    if (!text.startsWith(shown)) {
      this.#endLine();
      this.#note("the text above is replaced: it was asked again");
      this.#shown = { step, text: "" };
    }
    this.#prints.push({ type: "answer", text: text.slice(this.#shown.text.length) });
    this.#shown = { step, text };
    this.#midLine = !text.endsWith("\n");
  }

  #note(text: string): void {
    this.#endLine();
    this.#prints.push({ type: "note", text });
  }

  #endLine(): void {
    if (this.#midLine) this.#prints.push({ type: "answer", text: "\n" });
    this.#midLine = false;
  }
}

const TOOL_CHARS = 60;

function toolLine(step: Extract<TurnView["steps"][number], { type: "tool" }>): string {
  const call = JSON.stringify(step.arguments);
  const time = step.durationMs === undefined ? "" : ` (${step.durationMs} ms)`;
  return `${step.name} ${call.length > TOOL_CHARS ? `${call.slice(0, TOOL_CHARS)}…` : call}: ${step.state}${time}`;
}
