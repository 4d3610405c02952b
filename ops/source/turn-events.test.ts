import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { hasCode } from "../../bus/errors.ts";
import type { LogEntry } from "../../bus/event.ts";
import { simulate } from "../../test/sim/simulation.ts";
import { readerOf } from "../../test/support/entries-reader.ts";
import { claimed, completed, received, requested, steered, stored } from "../../test/support/stored-events.ts";
import { findTurn, lastTurns, parseTurnName, readTurn } from "./turn-events.ts";

const one = "abcd-one-turn-0000000a";
const two = "abcd-two-turn-0000000b";
const HERE = { channel: "web", chat: "other" };
const entries: LogEntry[] = [
  received(1, "a"),
  requested(2, one, [["a", 1]]),
  claimed(3, one, 1),
  received(4, "b"),
  steered(5, one, "b", 4),
  completed(6, one, ["a", "b"]),
  received(7, "c", { chat: "other" }),
  requested(8, two, [["c", 7]], { ...HERE, replyTo: HERE }),
];
const log = readerOf(entries);
const find = (text: string): Promise<string> => findTurn(log, parseTurnName(text));

void describe("finding a turn", () => {
  void it("takes the whole id, its beginning, or a sequence of an event or message of it", async () => {
    for (const text of [one, "abcd-o", "abcd-one-turn", "1", "2", "3", "4", "5", "6"])
      assert.equal(await find(text), one, text);
    for (const text of ["7", "8", "abcd-t"]) assert.equal(await find(text), two, text);
  });

  void it("says that there is none, or that more than one begins so", async () => {
    for (const text of ["nothing", "99", "a.b", ">", ""])
      await assert.rejects(find(text), (error) => hasCode(error, "TURN_UNKNOWN"), text);
    await assert.rejects(
      find("abcd"),
      /more than one turn begins with "abcd": abcd-two.*, abcd-one.*; give more of it/,
    );
  });

  void it("finds the turn of a dead letter's event", async () => {
    const letter = { process: "router", seq: 3, subject: "s", code: "HANDLER_FAILED", message: "no" };
    const more = readerOf([...entries, stored("DeadLettered", 9, letter)]);
    assert.equal(await findTurn(more, { type: "seq", seq: 9 }), one);
  });

  void it("gives the last turns of all or of one chat, newest first, also far back in a long log", async () => {
    const turns = async (wanted: Parameters<typeof lastTurns>[1]): Promise<string[]> =>
      (await lastTurns(log, wanted)).map(({ data }) => data.turn);
    assert.deepEqual(await turns({ count: 1 }), [two]);
    assert.deepEqual(await turns({ count: 5 }), [two, one]);
    assert.deepEqual(await turns({ count: 5, chat: "c" }), [one]);
    assert.deepEqual(await turns({ count: 5, toSeq: 7 }), [one]);
    assert.deepEqual(await turns({ count: 5, chat: "nobody" }), []);
    const long = readerOf([...entries, received(50_000, "z", { chat: "other" })]);
    assert.deepEqual(
      (await lastTurns(long, { count: 1, chat: "c" })).map(({ data }) => data.turn),
      [one],
    );
  });
});

void describe("the events of a turn", () => {
  void it("are its own and its messages, and nothing of another turn", async () => {
    assert.deepEqual(
      (await readTurn(log, one)).entries.map(({ seq }) => seq),
      [1, 2, 3, 4, 5, 6],
    );
    await assert.rejects(readTurn(log, "none"), (error) => hasCode(error, "TURN_UNKNOWN"));
  });

  void it("are read from a log with gaps, such as a bundle of this turn alone", async () => {
    const part = readerOf(entries.filter(({ seq }) => [2, 3, 6].includes(seq)));
    assert.deepEqual(
      (await readTurn(part, one)).entries.map(({ seq }) => seq),
      [2, 3, 6],
    );
  });

  void it("hold in simulated logs what made them: commands, tasks, timers, interrupting messages", async () => {
    for (const seed of [5, 12, 15]) {
      const { facts } = await simulate(seed);
      const reader = readerOf(facts.entries);
      for (const { turn, events } of facts.turns.values()) {
        const read = (await readTurn(reader, turn)).entries;
        const ids = new Set(read.flatMap((entry) => (entry.type === "unreadable" ? [] : [entry.id])));
        const seqs = new Set(read.map(({ seq }) => seq));
        for (const entry of events) {
          assert.ok(seqs.has(entry.seq));
          const cause = entry.type === "unreadable" ? undefined : entry.causationId;
          assert.ok(cause === undefined || ids.has(cause), `${entry.type} ${entry.seq} of seed ${seed}`);
        }
        assert.equal(await findTurn(reader, { type: "seq", seq: events.at(-1)?.seq ?? 0 }), turn);
        assert.equal(await findTurn(reader, { type: "id", beginning: turn.slice(0, 8) }), turn);
      }
    }
  });
});
