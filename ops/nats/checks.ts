/** What must be true of a broker and its stream before anything durable runs. */
import type { StreamConfig } from "@nats-io/jetstream";
import { TaffrailError } from "../../bus/errors.ts";
import { LOG_ROOT, STREAM } from "../../bus/subjects.ts";

/** What the running broker says of itself. */
export interface BrokerReport {
  readonly version: string;
  /** True when it syncs the disk before each acknowledgement; false when it says otherwise or nothing. */
  readonly syncsEachAppend: boolean;
}

const REPORT_TIMEOUT_MS = 3000;
const MIN_MAJOR = 2;
const MIN_MINOR = 14;

/**
 * Asks the monitoring port (`http://127.0.0.1:<port>`).
 * @throws BUS_UNAVAILABLE when it does not answer.
 */
export async function readBrokerReport(monitorUrl: string): Promise<BrokerReport> {
  try {
    const response = await fetch(new URL("/varz", monitorUrl), { signal: AbortSignal.timeout(REPORT_TIMEOUT_MS) });
    const varz = (await response.json()) as {
      version?: string;
      jetstream?: { config?: { sync_always?: boolean } };
    };
    return { version: varz.version ?? "", syncsEachAppend: varz.jetstream?.config?.sync_always === true };
  } catch (error) {
    throw new TaffrailError("BUS_UNAVAILABLE", "the broker's monitoring port does not answer", { monitorUrl }, error);
  }
}

/** Throws BROKER_TOO_OLD or BROKER_NO_FSYNC. */
export function assertBroker(report: BrokerReport): void {
  const [major = 0, minor = 0] = report.version.split(".").map(Number);
  // Written so that a version which is no number is refused too.
  if (!(major > MIN_MAJOR || (major === MIN_MAJOR && minor >= MIN_MINOR))) {
    const { version } = report;
    throw new TaffrailError("BROKER_TOO_OLD", `nats-server ${version || "of unknown version"} is too old`, { version });
  }
  if (!report.syncsEachAppend) {
    const message =
      "the broker acknowledges before its data is on the disk: a power cut would lose what was acknowledged";
    throw new TaffrailError("BROKER_NO_FSYNC", message, { ...report });
  }
}

/**
 * Reads and checks the running broker.
 * @throws BUS_UNAVAILABLE, BROKER_TOO_OLD, BROKER_NO_FSYNC
 */
export async function checkBroker(monitorUrl: string): Promise<BrokerReport> {
  const report = await readBrokerReport(monitorUrl);
  assertBroker(report);
  return report;
}

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
