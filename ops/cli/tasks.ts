/** `taffrail tasks`: commands to the scheduler. */
import { randomBytes } from "node:crypto";
import { withLog } from "./bus.ts";
import { sendCommand } from "./command.ts";
import { parseAge, parseTime } from "./moment.ts";
import { homeOf, textOption } from "./options.ts";
import { UsageError, type CommandLine } from "./usage.ts";

export async function addTask(line: CommandLine): Promise<number> {
  const dueMs = dueOf(line, Date.now());
  const given = textOption(line, "chat");
  const chat = given ?? randomBytes(9).toString("hex");
  return withLog(homeOf(line), async (log) => {
    const due = new Date(dueMs).toISOString();
    const replyTo = { channel: "web", chat };
    const fact = await sendCommand(log, "ScheduleTask", { group: "main", due, replyTo, text: line.operands[0] ?? "" });
    if (fact?.type !== "TaskScheduled") return 1;
    console.log(`task ${fact.data.task} runs at ${new Date(fact.data.due).toLocaleString()}`);
    if (given === undefined) console.error(`its answer comes to the conversation ${chat}`);
    return 0;
  });
}

export async function cancelTask(line: CommandLine): Promise<number> {
  const task = line.operands[0] ?? "";
  return withLog(homeOf(line), async (log) => {
    const fact = await sendCommand(log, "CancelTask", { group: "main", task });
    if (fact === undefined) return 1;
    console.log(`task ${task} is off the list`);
    return 0;
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
