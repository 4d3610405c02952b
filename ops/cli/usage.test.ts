import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { completed } from "../../test/support/stored-events.ts";
import { logFilter } from "./log-filter.ts";
import { helpText, parseCommandLine, UsageError, verbs } from "./usage.ts";

void describe("the help", () => {
  void it("of one verb is that verb alone, of a first word all that begin with it", () => {
    for (const [words, heads] of [
      [["log", "tail"], ["taffrail log tail"]],
      [["log", "stats"], ["taffrail log stats"]],
      [["send", "hello"], ['taffrail send "TEXT"']],
      [
        ["log"],
        [
          "taffrail log show [TURN]",
          "taffrail log tail",
          "taffrail log export",
          "taffrail log import FILE",
          "taffrail log stats",
        ],
      ],
    ] as const) {
      const { operands } = parseCommandLine([...words, "--help"]);
      const found = helpText(operands)
        .split("\n")
        .filter((line) => line.startsWith("taffrail "));
      assert.deepEqual(found, heads);
    }
    assert.throws(() => helpText(["lgo"]), UsageError);
  });

  void it("fits 80 columns", () => {
    const texts = [helpText(), ...Object.keys(verbs).map((name) => helpText(name.split(" ")))];
    assert.deepEqual(
      texts.flatMap((text) => text.split("\n")).filter((line) => line.length > 80),
      [],
    );
  });
});

void describe("the filter of log show", () => {
  void it("takes the beginning of a turn's id", () => {
    const end = completed(1, "abcdef", []);
    assert.equal(logFilter({ turn: "abc" })(end), true);
    assert.equal(logFilter({ turn: "bcd" })(end), false);
  });
});
