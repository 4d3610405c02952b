import { endChildrenOnSignals, SetupError } from "./run.mjs";

/**
 * Runs one command of package.json: what a person can act on is shown as a sentence, anything else with its stack.
 * @param {() => Promise<number | undefined>} main gives the exit code; undefined: the process goes on as something else
 */
export async function runEntry(main) {
  const release = endChildrenOnSignals();
  try {
    const code = await main();
    if (code !== undefined) process.exit(code);
    release();
  } catch (error) {
    console.error(error instanceof SetupError ? `\n${error.message}` : error);
    // Not by exitCode: the exit hooks also end what still runs beside the step that failed.
    process.exit(1);
  }
}
