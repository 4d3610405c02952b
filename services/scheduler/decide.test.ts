import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { StoredEvent } from "../../bus/event.ts";
import { BY, NOW_MS, parked, stopped, stored } from "../../test/support/stored-events.ts";
import { decideCommand, decideDue, nextDueMs, type Decision } from "./decide.ts";
import { applyEvent, newDueList, type DueList } from "./due-list.ts";

const replyTo = { channel: "web", chat: "c" };
const taskOf = (command: string): string => `task-of-${command}`;
const at = (ms: number): string => new Date(NOW_MS + ms).toISOString();

function given(...events: StoredEvent[]): DueList {
  const list = newDueList();
  for (const event of events) applyEvent(list, event);
  return list;
}

function ask(seq: number, due: string): StoredEvent<"ScheduleTask"> {
  return stored("ScheduleTask", seq, { command: `c${seq}`, by: BY, group: "main", due, replyTo, text: "water" });
}

function scheduled(seq: number, task: string, dueMs: number, causationId?: string): StoredEvent<"TaskScheduled"> {
  const data = { group: "main", task, due: at(dueMs), replyTo, text: "water", by: BY };
  return stored("TaskScheduled", seq, data, causationId === undefined ? {} : { causationId });
}

function fired(seq: number, task: string, dueMs: number): StoredEvent<"TaskFired"> {
  return stored("TaskFired", seq, { group: "main", task, due: at(dueMs), replyTo, text: "water", lateMs: 0 });
}

function answer(list: DueList): Decision {
  const [command] = list.commands;
  assert.ok(command);
  return decideCommand(list, command, taskOf);
}

void describe("a command", () => {
  void test("schedules a task whose id follows from the command, so that a repeat names the same task", () => {
    const command = ask(1, at(60_000));
    const decision = answer(given(command));
    assert.equal(decision.type, "TaskScheduled");
    assert.deepEqual([decision.task, decision.expected], [taskOf(command.id), 0]);
  });

  void test("is refused for a time in the past, one too far ahead and one that is none, by the log's own clock", () => {
    const codes = [at(-1_000), at(400 * 24 * 3_600_000)].map((due) => {
      const decision = answer(given(ask(1, due)));
      return decision.type === "CommandRefused" ? decision.data.code : decision.type;
    });
    assert.deepEqual(codes, ["TASK_IN_PAST", "REQUEST_INVALID"]);
  });

  void test("takes a task off at the task's own fence, or says that there is none", () => {
    const cancel = stored("CancelTask", 5, { command: "x", by: BY, group: "main", task: "k" });
    const known = answer(given(scheduled(3, "k", 1_000), cancel));
    assert.deepEqual([known.type, known.expected], ["TaskCancelled", 3]);
    const unknown = answer(given(cancel));
    assert.equal(unknown.type === "CommandRefused" && unknown.data.code, "TASK_UNKNOWN");
  });

  void test("is answered once: its fact takes it off the list", () => {
    const command = ask(1, at(60_000));
    assert.deepEqual(given(command, scheduled(2, "k", 60_000, command.id)).commands, []);
  });
});

void describe("the due list", () => {
  void test("fires what is due, earliest first, and says how late it is", () => {
    const list = given(scheduled(1, "b", 2_000), scheduled(2, "a", 1_000), scheduled(3, "later", 9_000));
    const due = decideDue(list, NOW_MS + 2_500);
    assert.deepEqual(
      due.map((one) => [one.type, one.task, one.expected, one.type === "TaskFired" && one.data.lateMs]),
      [
        ["TaskFired", "a", 2, 1_500],
        ["TaskFired", "b", 1, 500],
      ],
    );
    assert.equal(nextDueMs(list), NOW_MS + 1_000);
  });

  void test("holds a task no more once it fired or was cancelled", () => {
    const cancelled = stored("TaskCancelled", 4, { group: "main", task: "b", by: BY });
    const list = given(scheduled(1, "a", 1), scheduled(2, "b", 1), fired(3, "a", 1), cancelled);
    assert.deepEqual(decideDue(list, NOW_MS + 10), []);
    assert.equal(nextDueMs(list), undefined);
  });

  void test("wakes a parked turn at its time, at the fence of its earlier timers", () => {
    const data = { group: "timer", task: "t", due: at(1_000), parked: { ...replyTo, turn: "t" } };
    const list = given(parked(1, "t", at(1_000)), stored("TimerFired", 2, data), parked(3, "t", at(5_000)));
    const [timer] = decideDue(list, NOW_MS + 5_000);
    assert.deepEqual([timer?.type, timer?.expected], ["TimerFired", 2]);
  });

  void test("forgets a turn that ended, with its fences", () => {
    const list = given(parked(1, "t", at(1_000)), stopped(2, "t", []));
    assert.deepEqual(list, newDueList());
  });

  void test("leaves a turn alone that waits for an approval", () => {
    assert.deepEqual(given(parked(1, "t")).timers, {});
  });
});
