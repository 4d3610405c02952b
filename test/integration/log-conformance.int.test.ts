/** Both implementations of the log keep the same rules; else a seed passes what the broker fails. */
import { describeLogConformance } from "../../bus/testing/log-conformance.ts";
import { jetStreamHarness, memoryHarness } from "../support/log-harnesses.ts";

// Three seeds: latencies and batch borders fall differently in each.
for (const seed of [1, 2, 3]) describeLogConformance(`in memory, seed ${seed}`, () => memoryHarness(seed));
describeLogConformance("JetStream", jetStreamHarness);
