/** What must be true of a broker before anything durable runs. */
import { TaffrailError } from "../../bus/errors.ts";

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
