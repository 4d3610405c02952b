/** One line of meaning per event, for the log view and `taffrail log`. Pure. */
import type { LogEntry } from "../../bus/event.ts";

const MAX_CHARS = 160;

function short(text: string): string {
  const line = text.replaceAll(/\s+/g, " ").trim();
  return line.length > MAX_CHARS ? `${line.slice(0, MAX_CHARS - 1)}…` : line;
}

function seconds(ms: number): string {
  return ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** What the event says, in words. */
export function lineOf(event: LogEntry): string {
  switch (event.type) {
    case "unreadable":
      return `cannot be read: ${short(event.message)}`;
    case "MessageReceived":
      return `${event.data.from.name ?? event.data.from.id}: ${short(event.data.text)}`;
    case "MessageEdited":
      return `changed to: ${short(event.data.text)}`;
    case "MessageDeleted":
      return "message taken back";
    case "TurnRequested":
      return event.data.prompt === undefined
        ? `turn for ${event.data.messages.length} message${event.data.messages.length === 1 ? "" : "s"}, attempt ${event.data.attempt}`
        : `turn for a task: ${short(event.data.prompt)}`;
    case "TurnResumed":
      return event.data.reason === "timer" ? "its time came" : "a signal woke it";
    case "Steered":
      return "a message joined the running turn";
    case "CancelRequested":
      return event.data.reason === "user" ? "stop asked for" : "interrupted by a new message";
    case "TurnClaimed":
      return `${event.data.runner} took it, epoch ${event.data.epoch} (${event.data.reason}), ${event.data.model}`;
    case "ModelStepCompleted": {
      const calls = event.data.toolCalls.map((call) => call.name).join(", ");
      return `step ${event.data.step}: ${calls === "" ? short(event.data.text) : `calls ${calls}`} (${seconds(event.data.durationMs)})`;
    }
    case "ModelStepFailed":
      return `step ${event.data.step}, attempt ${event.data.attempt}: ${event.data.code}: ${short(event.data.message)}`;
    case "ToolCalled":
      return short(`${event.data.name} ${JSON.stringify(event.data.arguments)}`);
    case "ToolCompleted":
      return `${event.data.name}: ${event.data.outcome}: ${short(event.data.result)} (${seconds(event.data.durationMs)})`;
    case "TurnParked":
      return event.data.resumeAt === undefined ? "waits for an approval" : `waits until ${event.data.resumeAt}`;
    case "SendRequested":
      return `says: ${short(event.data.text)}`;
    case "TurnCompleted":
      return `answer: ${short(event.data.text)}`;
    case "TurnFailed":
      return `failed: ${event.data.code}: ${short(event.data.text)}`;
    case "TurnCancelled":
      return event.data.reason === "user" ? "stopped by the user" : "interrupted";
    case "TaskScheduled":
      return `due ${event.data.due}: ${short(event.data.text)}`;
    case "TaskFired":
      return `fired${event.data.lateMs > 1000 ? `, ${seconds(event.data.lateMs)} late` : ""}: ${short(event.data.text)}`;
    case "TaskCancelled":
      return "taken off the due list";
    case "TimerFired":
      return "a waiting turn's time came";
    case "ChatModelSelected":
      return `model: ${event.data.model}`;
    case "CommandRefused":
      return `${event.data.commandType} refused: ${event.data.code}: ${short(event.data.message)}`;
    case "ProcessStarted":
      return `${event.data.process} started, pid ${event.data.pid}`;
    case "ProcessExited":
      return `${event.data.process} ended: ${short(event.data.reason)}`;
    case "IntakePaused":
    case "IntakeResumed":
      return short(event.data.reason);
    case "ChannelClosed":
      return `${event.data.channel} sent ${event.data.bytes} bytes in ${event.data.seconds} s`;
    case "DeadLettered":
      return `${event.data.process} could not handle event ${event.data.seq}: ${event.data.code}`;
    case "CancelTurn":
    case "RetryTurn":
    case "SelectChatModel":
    case "ScheduleTask":
    case "CancelTask":
      return `asked by ${event.data.by.id}`;
  }
}
