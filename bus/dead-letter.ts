/** Poison goes to a visible dead letter and the process goes on (I11). */
import { appendSurely } from "./append.ts";
import { describeError, TaffrailError } from "./errors.ts";
import { makeEvent, type LogEntry } from "./event.ts";
import { deriveId } from "./ids.ts";
import type { Ports } from "./runtime.ts";
import { lanes } from "./subjects.ts";

/** Appends DeadLettered once per process and event, however often it is met. */
export async function deadLetter(
  ports: Pick<Ports, "log" | "clock" | "logger">,
  process: string,
  entry: Pick<LogEntry, "seq" | "subject">,
  code: string,
  message: string,
): Promise<void> {
  const { log, clock, logger } = ports;
  logger.error({ seq: entry.seq, subject: entry.subject, code, error: message }, "dead letter");
  const data = {
    process,
    seq: entry.seq,
    subject: entry.subject.slice(0, 1024),
    code,
    message: message.slice(0, 2000),
  };
  const event = makeEvent(
    "DeadLettered",
    deriveId("dead", process, entry.seq),
    { source: process, nowMs: clock.nowMs() },
    data,
  );
  try {
    await appendSurely(log, { lane: lanes.deadLetter(process, entry.seq), expectedLastSeq: 0, event }, { clock });
  } catch (error) {
    // A dead letter that cannot be written must not become the poison it reports.
    if (!(error instanceof TaffrailError) || error.retryable) throw error;
    logger.error({ seq: entry.seq, error: describeError(error) }, "the dead letter could not be written");
  }
}
