// Plain old syntax on purpose: this file has to parse on the very Node versions it turns away.

/** The oldest Node that runs Taffrail; the same number stands in package.json under "engines". */
export const MINIMUM_NODE = "20.17.0";

/**
 * The sentence for a Node that is too old, or null when it is new enough.
 * @param {string} version as in process.versions.node, "20.20.2"
 * @returns {string | null}
 */
export function nodeVersionProblem(version) {
  if (ordinal(version) >= ordinal(MINIMUM_NODE)) return null;
  return (
    "Taffrail needs Node 20.17 or later, this is " +
    version +
    ". On Debian 13 type: sudo apt-get install -y nodejs npm. " +
    "On Debian 12 take the Linux build from https://nodejs.org/en/download and put its bin folder first on PATH."
  );
}

/** @param {string} version */
function ordinal(version) {
  const parts = version.split(".").map(Number);
  return (parts[0] || 0) * 1000 + (parts[1] || 0);
}

/** Ends the process with status 1 and one sentence when this Node is too old. */
export function requireNode() {
  const problem = nodeVersionProblem(process.versions.node);
  if (problem === null) return;
  console.error(problem);
  process.exit(1);
}
