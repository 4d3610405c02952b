/** A failure as a person reads it: code, one sentence, what to do. */
import { TaffrailError } from "../../bus/errors.ts";
import type { ConfigProblem } from "../config/config.ts";
import { wrap } from "../supervisor/log-lines.ts";
import { typable } from "./called.ts";
import { UsageError } from "./usage.ts";

/** Prints to stderr and returns the exit code: 2 for a wrong command line or configuration, else 1. */
export function printFailure(error: unknown): number {
  if (error instanceof UsageError) {
    say(`taffrail ${error.message}`);
    return 2;
  }
  if (error instanceof TaffrailError) {
    const problems =
      error.code === "CONFIG_INVALID" ? (error.data["problems"] as ConfigProblem[] | undefined) : undefined;
    printRefusal({ code: error.code, message: error.message, action: error.action }, problems);
    return error.code === "CONFIG_INVALID" ? 2 : 1;
  }
  console.error(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return 1;
}

/** An error with a code: `CODE: message`, the list of problems, the action. */
export function printRefusal(
  { code, message, action }: { code: string; message: string; action: string },
  problems: readonly ConfigProblem[] = [],
): void {
  say(`${code}: ${message}`);
  for (const { where, what } of problems) say(`  ${where}: ${what}`, 4);
  say(`  ${action}`, 2);
}

function say(plain: string, indent = 2): void {
  const text = typable(plain);
  console.error(process.stderr.isTTY ? wrap(text, process.stderr.columns, indent) : text);
}
