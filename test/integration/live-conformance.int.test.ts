/** Both implementations of the ephemeral bus keep the same rules. */
import { describeLiveConformance } from "../../bus/testing/live-conformance.ts";
import { memoryLiveHarness, natsLiveHarness } from "../support/live-harnesses.ts";

for (const seed of [1, 2]) describeLiveConformance(`in memory, seed ${seed}`, () => memoryLiveHarness(seed));
describeLiveConformance("core NATS", natsLiveHarness);
