/** `taffrail tasks add`: a command on the log, answered by the scheduler with a fact or a refusal. */
import { randomBytes } from "node:crypto";
import { appendSurely } from "../../bus/append.ts";
import { errorCatalogue, TaffrailError, type ErrorCode } from "../../bus/errors.ts";
import { makeEvent } from "../../bus/event.ts";
import { deriveId } from "../../bus/ids.ts";
import type { Log } from "../../bus/log.ts";
import { systemClock } from "../../bus/ports.ts";
import { filters, lanes } from "../../bus/subjects.ts";
import { withLog } from "./bus.ts";
import { printRefusal } from "./failure.ts";
import { parseAge, parseTime } from "./moment.ts";
import { homeOf, textOption } from "./options.ts";
import { UsageError, type CommandLine } from "./usage.ts";

/** The scheduler answers within milliseconds; it may be restarting. */
const ANSWER_LIMIT_MS = 15_000;
const CHANNEL = "cli";

export async function addTask(line: CommandLine): Promise<number> {
  const nowMs = Date.now();
  const dueMs = dueOf(line, nowMs);
  const given = textOption(line, "chat");
  const chat = given ?? randomBytes(9).toString("hex");
  const command = randomBytes(12).toString("hex");
  return withLog(homeOf(line), async (log) => {
    const data = {
      command,
      by: { id: "owner", channel: CHANNEL },
      group: "main",
      due: new Date(dueMs).toISOString(),
      replyTo: { channel: "web", chat },
      text: line.operands[0] ?? "",
    };
    const event = makeEvent("ScheduleTask", deriveId("ScheduleTask", CHANNEL, command), { source: "cli", nowMs }, data);
    const outcome = await appendSurely(
      log,
      { lane: lanes.command(CHANNEL, command), expectedLastSeq: 0, event },
      { clock: systemClock, limitMs: ANSWER_LIMIT_MS },
    );
    if (outcome.type === "conflict") throw new TaffrailError("MESSAGE_ID_REUSED", "the command's id is taken");
    return report(log, outcome.seq, event.id, given === undefined ? chat : undefined);
  });
}

function dueOf(line: CommandLine, nowMs: number): number {
  const [after, at] = [textOption(line, "in"), textOption(line, "at")];
  if ((after === undefined) === (at === undefined)) throw new UsageError("tasks add: give either --in or --at");
  const age = after === undefined ? undefined : parseAge(after);
  if (after !== undefined && age === undefined)
    throw new UsageError(`tasks add: --in "${after}" is not an age; write 10s, 5m, 2h or 1d`);
  const dueMs = age === undefined ? parseTime(at ?? "", nowMs) : nowMs + age;
  if (dueMs === undefined)
    throw new UsageError(`tasks add: --at "${at ?? ""}" is not a time; write 18:30 or 2031-01-31T18:30:00Z`);
  return dueMs;
}

/** Waits for the event that was caused by ours. */
async function report(log: Log, seq: number, id: string, newChat: string | undefined): Promise<number> {
  const limit = AbortSignal.timeout(ANSWER_LIMIT_MS);
  for await (const { events } of log.read({
    filters: [filters.tasks, filters.chats],
    fromSeq: seq + 1,
    signal: limit,
  })) {
    for (const event of events) {
      if (event.type === "unreadable" || event.causationId !== id) continue;
      if (event.type === "CommandRefused") {
        const { code, message } = event.data;
        const action = Object.hasOwn(errorCatalogue, code) ? errorCatalogue[code as ErrorCode].action : "";
        printRefusal({ code, message, action });
        return 1;
      }
      if (event.type !== "TaskScheduled") continue;
      console.log(`task ${event.data.task} runs at ${new Date(event.data.due).toLocaleString()}`);
      if (newChat !== undefined) console.error(`its answer comes to the conversation ${newChat}`);
      return 0;
    }
  }
  throw new TaffrailError("BUS_REQUEST_TIMEOUT", "the scheduler has not answered yet; the task may still be scheduled");
}
