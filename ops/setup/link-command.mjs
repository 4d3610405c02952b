import { existsSync, lstatSync, mkdirSync, readlinkSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";

/**
 * Lets `npx taffrail` find the clone's own command: npm links the bins of dependencies, not that of the root package,
 * and would otherwise look for a package of this name elsewhere.
 * @param {string} root
 */
export function linkCommand(root) {
  const folder = join(root, "node_modules", ".bin");
  const link = join(folder, "taffrail");
  const target = join("..", "..", "dist", "cli.js");
  const existing = lstatSync(link, { throwIfNoEntry: false });
  if (existing?.isSymbolicLink() && readlinkSync(link) === target) return;
  if (!existsSync(join(root, "node_modules"))) return;
  mkdirSync(folder, { recursive: true });
  rmSync(link, { force: true });
  symlinkSync(target, link);
}
