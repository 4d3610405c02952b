/** `taffrail log stats`: what the log holds. */
import { readStretch, withSource } from "../source/source.ts";
import { newStats } from "../story/stats.ts";
import { statsText } from "../story/stats-text.ts";
import { placeOption, stretchOf } from "./log-stretch.ts";
import { homeOf } from "./options.ts";
import { pricesOf } from "./prices.ts";
import type { CommandLine } from "./usage.ts";

export async function logStats(line: CommandLine): Promise<number> {
  const home = homeOf(line);
  const [from, to] = [placeOption(line, "from"), placeOption(line, "to")];
  const fold = newStats(pricesOf(home));
  await withSource(home, async ({ log }) => {
    const { fromSeq, toSeq } = await stretchOf(log, from, to);
    for await (const page of readStretch(log, fromSeq, toSeq)) for (const entry of page) fold.add(entry);
  });
  const stats = fold.result();
  console.log(line.options["json"] === true ? JSON.stringify(stats) : statsText(stats));
  return 0;
}
