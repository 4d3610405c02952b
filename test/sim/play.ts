/**
 * Plays seeds outside of the test runner: `node --import tsx test/sim/play.ts <from> [<to>] [talk] [log]`. Prints the
 * violations of each failing seed; with `talk` what happened to the processes, with `log` the whole log.
 */
import { describeLog } from "./invariants.ts";
import { simulate } from "./simulation.ts";

const [from = "1", to = from, ...words] = process.argv.slice(2);
const last = Number.isNaN(Number(to)) ? Number(from) : Number(to);
const told = [to, ...words];
const startedMs = performance.now();
let failures = 0;
let events = 0;
let deaths = 0;
process.on("unhandledRejection", (error) => {
  process.stdout.write(`unhandled rejection: ${String((error as Error).stack ?? error)}\n`);
  process.exitCode = 1;
});
for (let seed = Number(from); seed <= last; seed++) {
  try {
    const result = await simulate(seed, { talk: told.includes("talk") });
    events += result.facts.lastSeq;
    deaths += result.deaths;
    if (told.includes("log")) process.stdout.write(`${describeLog(result.facts.entries).join("\n")}\n`);
    if (result.violations.length === 0) continue;
    failures++;
    process.stdout.write(
      `seed ${seed}:\n${result.violations
        .map((one) => `  ${one}`)
        .slice(0, 12)
        .join("\n")}\n`,
    );
  } catch (error) {
    failures++;
    process.stdout.write(`seed ${seed}: ${String((error as Error).stack)}\n`);
  }
}
const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
process.stdout.write(
  `${failures} of ${last - Number(from) + 1} seeds failed; ${events} events, ${deaths} deaths, ${seconds} s\n`,
);
process.exitCode = failures === 0 ? 0 : 1;
