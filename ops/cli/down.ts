/** `taffrail down`: stops the running Taffrail and waits for its end. */
import { askStop } from "../supervisor/control.ts";
import { homeOf } from "./options.ts";
import type { CommandLine } from "./usage.ts";

export async function down(line: CommandLine): Promise<number> {
  await askStop(homeOf(line));
  console.log("Taffrail is stopped.");
  return 0;
}
