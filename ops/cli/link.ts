/** `taffrail link`: a new one-time link to the page of the running Taffrail. */
import { TaffrailError } from "../../bus/errors.ts";
import { askStatus } from "../supervisor/control.ts";
import { makeLink } from "../supervisor/link.ts";
import { homeOf } from "./options.ts";
import type { CommandLine } from "./usage.ts";

export async function link(line: CommandLine): Promise<number> {
  const home = homeOf(line);
  const { run } = await askStatus(home);
  if (run === undefined) throw new TaffrailError("NOT_RUNNING", "Taffrail is still starting", { home });
  console.log(makeLink(home, run.port, Date.now()));
  return 0;
}
