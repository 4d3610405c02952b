/** The rules that every implementation of `Log` keeps. A test here runs on all of them, or it proves nothing. */
import { describe, test } from "node:test";
import { appendRules } from "./log-append-rules.ts";
import type { LogHarness } from "./log-harness.ts";
import { queueRules } from "./log-queue-rules.ts";
import { readRules } from "./log-read-rules.ts";

export type { LogHarness } from "./log-harness.ts";

/** A named rule; `run` gets an empty log. */
export interface LogRule {
  readonly name: string;
  readonly run: (harness: LogHarness) => Promise<void>;
}

/** Most of a test is waiting for time-outs, so several run at once, each on a log of its own. */
const CONCURRENCY = 4;

export function describeLogConformance(name: string, makeHarness: () => Promise<LogHarness>): void {
  void describe(`log conformance, ${name}`, { concurrency: CONCURRENCY }, () => {
    for (const rule of [...appendRules, ...readRules, ...queueRules]) {
      void test(rule.name, async () => {
        const harness = await makeHarness();
        try {
          await harness.play(() => rule.run(harness));
        } finally {
          await harness.close();
        }
      });
    }
  });
}
