/**
 * What stands beside a recorded log, in `<log>.replay.json`, so that it goes on being of use when the release has moved on:
 * what was decided with then, and what later releases mean to decide differently.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import type { ReplayDifference, ReplaySettings } from "../../ops/replay/replay.ts";

/** Differences of one kind that are meant: each turn may show one. */
export interface Accepted {
  /** Release that means them. */
  readonly since: string;
  readonly why: string;
  readonly kind: ReplayDifference["kind"];
  readonly type: string;
  readonly path: string;
}

export interface Beside {
  /** Fed back, so that a new prompt or tool does not hide every other change behind the first question to a model. */
  readonly decidedWith: Pick<ReplaySettings["runner"], "systemPrompt"> & Pick<ReplaySettings, "tools">;
  readonly accepted: readonly Accepted[];
}

function placeOf(log: string): string {
  return log.replace(/\.jsonl$/, ".replay.json");
}

export function readBeside(log: string): Beside {
  return JSON.parse(readFileSync(placeOf(log), "utf8")) as Beside;
}

/** Of a log just recorded; one that is there is kept, it may hold what was accepted. */
export function writeBeside(log: string, { runner, tools }: Pick<ReplaySettings, "runner" | "tools">): void {
  if (existsSync(placeOf(log))) return;
  const specs = tools.map(({ spec, effect }) => ({ spec, effect }));
  const beside: Beside = { decidedWith: { systemPrompt: runner.systemPrompt, tools: specs }, accepted: [] };
  writeFileSync(placeOf(log), `${JSON.stringify(beside, undefined, 2)}\n`);
}

/** The settings of a replay with what the log's release decided with. */
export function decidedThen(now: ReplaySettings, { decidedWith }: Beside): ReplaySettings {
  const { systemPrompt, tools } = decidedWith;
  return { ...now, runner: { ...now.runner, systemPrompt }, tools };
}

function fits({ kind, type, path }: Accepted, difference: ReplayDifference): boolean {
  return kind === difference.kind && type === difference.type && path === difference.path;
}

/** Differences that nobody accepted, and accepted ones that no longer occur. */
export function sortOut(
  differences: readonly ReplayDifference[],
  accepted: readonly Accepted[],
): { unmeant: ReplayDifference[]; stale: Accepted[] } {
  return {
    unmeant: differences.filter((difference) => !accepted.some((one) => fits(one, difference))),
    stale: accepted.filter((one) => !differences.some((difference) => fits(one, difference))),
  };
}
