/**
 * Compares dotted versions by number: negative when a is older, 0 when equal, positive when newer.
 * Missing parts count as 0 and anything after the numbers ("-beta.1") is left out.
 * @param {string} a
 * @param {string} b
 * @returns {number}
 */
export function compareVersions(a, b) {
  const left = numbersOf(a);
  const right = numbersOf(b);
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/**
 * The first dotted version in a text such as "nats-server: v2.15.1", or undefined.
 * @param {string} text
 * @returns {string | undefined}
 */
export function versionIn(text) {
  return /\d+(?:\.\d+)+/.exec(text)?.[0];
}

/** @param {string} version */
function numbersOf(version) {
  return (versionIn(version) ?? version).split(".").map((part) => Number.parseInt(part, 10) || 0);
}
