import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { checkAccess } from "../../bus/accounts/access.ts";
import { checkStream, streamProblems } from "../../bus/stream-checks.ts";
import { assertBroker } from "./checks.ts";
import { declarations } from "./declarations.ts";

const safe = {
  name: "LOG",
  subjects: ["log.>"],
  retention: "limits",
  storage: "file",
  discard: "new",
  allow_direct: true,
  duplicate_window: 100_000_000,
  max_age: 0,
  max_bytes: 1_000_000,
  max_msgs: -1,
  max_msgs_per_subject: -1,
  allow_rollup_hdrs: false,
  allow_msg_ttl: false,
} as Parameters<typeof streamProblems>[0];

describe("a broker", () => {
  it("older than 2.14, or of no known version, is refused", () => {
    for (const version of ["2.9.10", "2.13.9", "1.99.0", "", "dev"])
      assert.throws(() => assertBroker({ version, syncsEachAppend: true }), { code: "BROKER_TOO_OLD" }, version);
    for (const version of ["2.14.0", "2.15.1", "3.0.0", "2.14.0-RC.1"])
      assertBroker({ version, syncsEachAppend: true });
  });

  it("that does not report fsync per append is refused", () => {
    assert.throws(() => assertBroker({ version: "2.15.1", syncsEachAppend: false }), { code: "BROKER_NO_FSYNC" });
  });
});

describe("a stream", () => {
  it("as the log makes it is accepted", () => checkStream(safe));

  for (const [what, change] of Object.entries({
    "atomic batches": { allow_atomic: true },
    "fast batches": { allow_batched: true },
    expiry: { allow_msg_ttl: true },
    schedules: { allow_msg_schedules: true },
    counters: { allow_msg_counter: true },
    "roll-ups": { allow_rollup_hdrs: true },
    "an age limit": { max_age: 1 },
    "a wide duplicate window": { duplicate_window: 120_000_000_000 },
    "discard old": { discard: "old" },
    "no direct get": { allow_direct: false },
    "no limit of bytes": { max_bytes: -1 },
    memory: { storage: "memory" },
    "asynchronous persistence": { persist_mode: "async" },
    "foreign subjects": { subjects: ["log.>", "live.>"] },
    republishing: { republish: { src: "log.>", dest: "copy.>" } },
    "no acknowledgements": { no_ack: true },
  }))
    it(`with ${what} is refused by name`, () => {
      assert.throws(() => checkStream({ ...safe, ...change } as typeof safe), { code: "BROKER_UNSAFE_STREAM" });
      assert.equal(streamProblems({ ...safe, ...change } as typeof safe).length, 1);
    });
});

describe("the declarations", () => {
  it("are those of every folder that has one", () => {
    const root = join(import.meta.dirname, "../..");
    const found = ["services", "channels", "ops"].flatMap((parent) =>
      readdirSync(join(root, parent)).filter((name) => existsSync(join(root, parent, name, "access.ts"))),
    );
    const listed = declarations.map((access) => (access.type === "core" ? access.user : access.channel));
    assert.deepEqual(listed.toSorted(), found.toSorted());
  });

  it("ask for nothing too wide", () => checkAccess(declarations));
});
