/**
 * The command `taffrail`. In: a command line. Out: text for a person or JSON, an exit code (0 done, 1 refused or not
 * ready, 2 wrong command line or configuration, 3 the answer failed, 4 waiting for approval). Owns nothing.
 * Never: reads or writes state but through the supervisor, the log and the page's API.
 */
import { printFailure } from "./failure.ts";
import { helpText, parseCommandLine, UsageError, type CommandLine } from "./usage.ts";

export interface Verb {
  /** Resolves to the exit code. */
  (line: CommandLine): Promise<number>;
}

/** Each verb is loaded when it is asked for: `taffrail status` needs no supervisor. */
const verbs: Readonly<Record<string, () => Promise<Verb>>> = {
  up: async () => (await import("./up.ts")).up,
  down: async () => (await import("./down.ts")).down,
  status: async () => (await import("./status.ts")).status,
  send: async () => (await import("./send.ts")).send,
  "log show": async () => (await import("./log.ts")).showLog,
  replay: async () => (await import("./replay.ts")).replayLog,
  rebuild: async () => (await import("./rebuild.ts")).rebuild,
  "log tail": async () => (await import("./log.ts")).tailLog,
  "log export": async () => (await import("./bundle.ts")).exportLog,
  "log import": async () => (await import("./bundle.ts")).importLog,
  "log stats": async () => (await import("./log-stats.ts")).logStats,
  link: async () => (await import("./link.ts")).link,
  "tasks add": async () => (await import("./tasks.ts")).addTask,
  "tasks cancel": async () => (await import("./tasks.ts")).cancelTask,
  stop: async () => (await import("./turns.ts")).stopTurn,
  retry: async () => (await import("./turns.ts")).retryTurn,
  model: async () => (await import("./turns.ts")).selectModel,
  help: async () => (line) => {
    console.log(helpText(line.operands));
    return Promise.resolve(0);
  },
  version: async () => async () => {
    console.log((await import("../config/version.ts")).version);
    return 0;
  },
};

async function run(args: readonly string[]): Promise<number> {
  // A reader that went away (`taffrail log show | head`) is no failure.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
  });
  try {
    const line = parseCommandLine(args);
    const verb = await verbs[line.verb]?.();
    if (verb === undefined) throw new UsageError(`"${line.verb}" is not a verb`);
    return await verb(line);
  } catch (error) {
    return printFailure(error);
  }
}

const exitCode = await run(process.argv.slice(2));
// Connections that linger must not keep a finished command; what was printed goes out first.
await new Promise((resolve) => process.stdout.write("", resolve));
process.exit(exitCode);
