/** Options of a parsed command line, typed. */
import { resolveHome } from "../config/home.ts";
import type { CommandLine } from "./usage.ts";

export function textOption(line: CommandLine, name: string): string | undefined {
  const value = line.options[name];
  return typeof value === "string" ? value : undefined;
}

/** The state folder this command is about. */
export function homeOf(line: CommandLine): string {
  return resolveHome(process.env, textOption(line, "home"));
}
