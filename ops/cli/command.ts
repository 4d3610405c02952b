/** Commands of the CLI: appended to the log, answered by their owner with a fact or a refusal. */
import { randomBytes } from "node:crypto";
import { appendSurely } from "../../bus/append.ts";
import { errorCatalogue, TaffrailError, type ErrorCode } from "../../bus/errors.ts";
import { makeEvent, type StoredEvent } from "../../bus/event.ts";
import { deriveId } from "../../bus/ids.ts";
import type { Log } from "../../bus/log.ts";
import { systemClock } from "../../bus/ports.ts";
import { filters, lanes } from "../../bus/subjects.ts";
import type { DataOf } from "../../schemas/index.ts";
import { printRefusal } from "./failure.ts";

/** The owner of the matter answers within milliseconds; it may be restarting. */
const ANSWER_LIMIT_MS = 15_000;
const CHANNEL = "cli";

export type CommandType = "CancelTurn" | "RetryTurn" | "SelectChatModel" | "ScheduleTask" | "CancelTask";

/**
 * Appends the command and waits for its answer.
 * @returns the fact it caused, or undefined when it was refused (the refusal is printed).
 * @throws BUS_REQUEST_TIMEOUT when nobody answers; the command may still take effect.
 */
export async function sendCommand<T extends CommandType>(
  log: Log,
  type: T,
  data: Omit<DataOf[T], "command" | "by">,
): Promise<StoredEvent | undefined> {
  const command = randomBytes(12).toString("hex");
  const whole = { ...data, command, by: { id: "owner", channel: CHANNEL } } as unknown as DataOf[T];
  const event = makeEvent(type, deriveId(type, CHANNEL, command), { source: "cli", nowMs: Date.now() }, whole);
  const outcome = await appendSurely(
    log,
    { lane: lanes.command(CHANNEL, command), expectedLastSeq: 0, event },
    { clock: systemClock, limitMs: ANSWER_LIMIT_MS },
  );
  if (outcome.type === "conflict") throw new TaffrailError("MESSAGE_ID_REUSED", "the command's id is taken");
  const reads = [filters.tasks, filters.chats, filters.signals, filters.wakes];
  const signal = AbortSignal.timeout(ANSWER_LIMIT_MS);
  for await (const { events } of log.read({ filters: reads, fromSeq: outcome.seq + 1, signal })) {
    for (const answer of events) {
      if (answer.type === "unreadable" || answer.causationId !== event.id) continue;
      if (answer.type !== "CommandRefused") return answer;
      const { code, message } = answer.data;
      const action = Object.hasOwn(errorCatalogue, code) ? errorCatalogue[code as ErrorCode].action : "";
      printRefusal({ code, message, action });
      return undefined;
    }
  }
  throw new TaffrailError("BUS_REQUEST_TIMEOUT", "nobody has answered yet; the command may still take effect");
}
