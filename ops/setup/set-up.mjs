import { build, buildLine } from "./build.mjs";
import { findChromium } from "./chromium.mjs";
import { ensureNatsServer } from "./nats-server.mjs";
import { installPackages } from "./packages.mjs";
import { oneAtATime } from "./one-at-a-time.mjs";
import { SetupError } from "./run.mjs";
import { createStep } from "./steps.mjs";

/**
 * Everything a fresh clone needs: packages, a nats-server, when asked a Chromium, and the build. What can wait for the
 * network runs beside what needs the processor.
 * @param {{ root: string, report: import("./steps.mjs").Report, chromium?: boolean, natsServerRequired?: boolean }} options
 *   natsServerRequired: false where the state folder's config, not read here, may still name one
 * @returns {Promise<{ natsServer: string | undefined, chromium: string | undefined }>} paths
 */
export function setUp(options) {
  return oneAtATime(options.root, options.report, () => setUpAlone(options));
}

/** @type {typeof setUp} */
async function setUpAlone({ root, report, chromium = false, natsServerRequired = true }) {
  const step = createStep(report);
  // The two fetches one after the other: they share the line.
  const fetched = (async () => {
    const server = await natsServer(step, report).catch((error) => {
      if (natsServerRequired || !(error instanceof SetupError)) throw error;
      report(error.message);
      return undefined;
    });
    return { natsServer: server?.path, chromium: chromium ? await chromiumPath(step, report) : undefined };
  })();
  const [, found] = await Promise.all([installPackages({ root, step }), fetched]);
  await step("building", () => build(root), buildLine);
  return found;
}

/**
 * @param {import("./steps.mjs").Step} step
 * @param {import("./steps.mjs").Report} report
 */
function natsServer(step, report) {
  return step(
    "looking for nats-server",
    () => ensureNatsServer({ report }),
    ({ fetched, version }) => (fetched ? `fetched nats-server ${version}` : null),
  );
}

/**
 * @param {import("./steps.mjs").Step} step
 * @param {import("./steps.mjs").Report} report
 */
async function chromiumPath(step, report) {
  const found = await step(
    "looking for a chromium",
    () => findChromium({ report }),
    ({ fetched }) => (fetched ? "fetched chromium" : null),
  );
  return found.executablePath;
}
