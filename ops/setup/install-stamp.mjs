import { createHash } from "node:crypto";

/**
 * What an installation belongs to: the lock file's content, Node's binary interface and the machine's kind.
 * @param {string | Uint8Array} lockFile
 * @param {{ abi?: string, platform?: string, arch?: string }} [machine]
 * @returns {string}
 */
export function installStamp(
  lockFile,
  { abi = process.versions.modules, platform = process.platform, arch = process.arch } = {},
) {
  const hash = createHash("sha256").update(lockFile).digest("hex");
  return `${hash} node-abi-${abi} ${platform}-${arch}`;
}

/**
 * @typedef {{ version?: string, integrity?: string, resolved?: string, optional?: boolean, devOptional?: boolean,
 *   peer?: boolean }} LockEntry
 * @typedef {{ packages?: Record<string, LockEntry> }} Lock
 */

/**
 * True when what npm wrote down about node_modules (node_modules/.package-lock.json) is what package-lock.json asks
 * for: an installation made by hand is then taken as it is, and nobody's running tree is wiped for a missing stamp.
 * @param {Lock} wanted
 * @param {Lock} installed
 * @returns {boolean}
 */
export function sameInstallation(wanted, installed) {
  const wantedPackages = wanted.packages ?? {};
  const installedPackages = installed.packages ?? {};
  const complete = Object.entries(wantedPackages).every(([path, entry]) => {
    if (path === "") return true;
    const found = installedPackages[path];
    // Binaries for other platforms are optional and stay away.
    if (found === undefined) return entry.optional === true || entry.devOptional === true;
    return found.version === entry.version && found.integrity === entry.integrity;
  });
  return complete && Object.keys(installedPackages).every((path) => path in wantedPackages);
}
