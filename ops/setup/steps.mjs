/**
 * @typedef {(line: string) => void} Report takes one line, without its line end
 * @typedef {<T>(doing: string, work: () => Promise<T>, done?: (result: T) => string | null) => Promise<T>} Step
 */

/** A step that takes longer than this says what it is doing: below it, the line with the time is soon enough. */
const QUIET_MS = 1500;

/**
 * A step runs work and then writes "  installed packages        82.1 s". When done() gives null nothing is written:
 * nothing had to be done. Long steps also write what they are doing, so that nobody waits before an empty screen.
 * @param {Report} report
 * @param {() => number} [nowMs]
 * @returns {Step}
 */
export function createStep(report, nowMs = () => performance.now()) {
  return async (doing, work, done = () => doing) => {
    const startMs = nowMs();
    const timer = setTimeout(() => report(`  ${doing} ...`), QUIET_MS);
    try {
      const result = await work();
      const label = done(result);
      if (label !== null) report(stepLine(label, nowMs() - startMs));
      return result;
    } finally {
      clearTimeout(timer);
    }
  };
}

/**
 * @param {string} label
 * @param {number} elapsedMs
 */
export function stepLine(label, elapsedMs) {
  return `  ${label.padEnd(28)} ${(elapsedMs / 1000).toFixed(1).padStart(6)} s`;
}

/** @type {Report} */
export const toStdout = (line) => void process.stdout.write(`${line}\n`);

/** @type {Report} */
export const toStderr = (line) => void process.stderr.write(`${line}\n`);
