/** What must be true of the log's stream before anything durable runs (DESIGN 3). */
import type { StreamConfig } from "@nats-io/jetstream";
import { TaffrailError } from "./errors.ts";
import { LOG_ROOT, STREAM } from "./subjects.ts";

const DUPLICATE_WINDOW_NS = 100 * 1_000_000;

type Settings = Readonly<Record<string, unknown>>;

/** What the stream must say; each is a way to lose, change or stop the log when it differs. */
const demanded: Settings = {
  name: STREAM,
  retention: "limits",
  storage: "file",
  discard: "new",
  allow_direct: true,
  duplicate_window: DUPLICATE_WINDOW_NS,
  // Nothing expires.
  max_age: 0,
  max_msgs: -1,
  max_msgs_per_subject: -1,
};

/** Absent and false are the same to the broker. */
const forbidden: readonly string[] = [
  "allow_atomic",
  "allow_batched",
  "allow_msg_ttl",
  "allow_msg_schedules",
  "allow_msg_counter",
  "allow_rollup_hdrs",
  "discard_new_per_subject",
  "mirror_direct",
  "no_ack",
  "sealed",
  "mirror",
  "republish",
  "subject_transform",
];

/** Every setting of the stream that the log forbids, as sentences; empty when it is safe. */
export function streamProblems(config: Partial<StreamConfig>): string[] {
  const present = config as Settings;
  const problems = Object.entries(demanded)
    .filter(([key, value]) => present[key] !== value)
    .map(([key, value]) => `${key} is ${JSON.stringify(present[key])}, not ${JSON.stringify(value)}`);
  for (const key of forbidden) if (present[key]) problems.push(`${key} is on`);
  if (config.subjects?.length !== 1 || config.subjects[0] !== LOG_ROOT)
    problems.push(`its subjects are not ${LOG_ROOT}`);
  if ((config.sources ?? []).length > 0) problems.push("it copies another stream");
  // "async" acknowledges before the disk has it, whatever the broker's own setting is.
  if (present["persist_mode"] === "async") problems.push("persist_mode is async");
  if (!((config.max_bytes ?? -1) > 0)) problems.push("max_bytes has no limit");
  return problems;
}

/** Throws BROKER_UNSAFE_STREAM, naming every setting, for a stream that could lose or change what it holds. */
export function checkStream(config: Partial<StreamConfig>): void {
  const problems = streamProblems(config);
  if (problems.length > 0) {
    const message = `the stream ${config.name ?? STREAM} is not safe: ${problems.join("; ")}`;
    throw new TaffrailError("BROKER_UNSAFE_STREAM", message, { problems });
  }
}
