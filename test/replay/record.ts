/**
 * Records the simulated fixture logs of this release: `node --import tsx test/replay/record.ts`. Existing ones are kept: a
 * log of a past release stays as it was recorded.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { version } from "../../ops/config/version.ts";
import { exportToFile } from "../../ops/bundle/export.ts";
import { simulate } from "../sim/simulation.ts";
import { TOOL_SPECS, TURN_SETTINGS } from "../sim/settings.ts";
import { writeBeside } from "./beside.ts";
import { fixtureFolder } from "./fixture-logs.ts";
import { exportSourceOf } from "./recorded.ts";
import { shapesOf } from "./shapes.ts";

/** Seeds, and how many things each simulated person does: together turns of every shape, in every queue mode. */
const LOGS: readonly (readonly [seed: number, actions?: number])[] = [
  [3, 60],
  [29, 60],
  [40, 20],
  [49, 20],
  [50, 20],
  // Attempts and steps to their limits.
  [61, 18],
  [70, 18],
  [87, 10],
  // A stop that reaches the runner just as it parks.
  [7119],
  // A turn that is handed out to its runner once more, after it had parked.
  [1802],
];

for (const [seed, actions] of LOGS) {
  const { facts, decidedWith, violations } = await simulate(seed, { actions });
  if (violations.length > 0) throw new Error(`seed ${seed}: ${violations.join("\n")}`);
  const { queueMode } = decidedWith.router;
  const file = join(fixtureFolder, `${version}-${queueMode}-${seed}.jsonl`);
  if (existsSync(file)) continue;
  writeBeside(file, { runner: TURN_SETTINGS, tools: TOOL_SPECS });
  const { configuredModel, systemPrompt, maxOutputTokens, limits } = TURN_SETTINGS;
  await exportToFile(
    exportSourceOf(facts.entries),
    {
      scope: { type: "all" },
      settings: { configuredModel, systemPrompt, maxSteps: limits.maxSteps, maxOutputTokens, queueMode },
      exportedAt: new Date(facts.entries.at(-1)?.storedAtMs ?? 0).toISOString(),
    },
    file,
  );
  console.log(`${file}: ${JSON.stringify(shapesOf(facts.entries))}`);
}
