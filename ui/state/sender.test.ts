import assert from "node:assert/strict";
import { test } from "node:test";
import type { PostMessage } from "../../schemas/views.ts";
import { Refusal } from "../net/api.ts";
import { createSender } from "./sender.ts";

const view = { code: "X", message: "x", action: "y" };
const entry = (id: string, chat = "c") => ({ id, chat, text: id, at: "2026-01-01T00:00:00Z" });

function setUp(answers: ((message: PostMessage) => Promise<{ seq: number }>)[], stored: string | null = null) {
  const posted: string[] = [];
  const kept = { value: stored };
  let signedOut = 0;
  const sender = createSender({
    post: (_chat, message) => {
      posted.push(message.id);
      const answer = answers.shift();
      return answer === undefined ? Promise.resolve({ seq: 1 }) : answer(message);
    },
    storage: { getItem: () => kept.value, setItem: (_key, value) => (kept.value = value) },
    onAccepted: () => undefined,
    onSignedOut: () => (signedOut += 1),
  });
  return { sender, posted, kept, signedOut: () => signedOut };
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, "the condition did not come true");
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const fail = (status: number) => () => Promise.reject(new Refusal(status, view));

test("after a lost connection the same id is posted again, and nothing overtakes it", async () => {
  const { sender, posted } = setUp([fail(0), fail(503)]);
  sender.send(entry("a"));
  sender.send(entry("b"));
  await until(() => sender.outbox.value.every(({ state }) => state === "accepted"));
  assert.deepEqual(posted, ["a", "a", "a", "b"]);
});

test("a refusal is kept with its reason and the next message goes on", async () => {
  const { sender, posted } = setUp([fail(413)]);
  sender.send(entry("a"));
  sender.send(entry("b"));
  await until(() => sender.outbox.value[1]?.state === "accepted");
  assert.equal(sender.outbox.value[0]?.state, "refused");
  sender.retryMessage("a");
  await until(() => sender.outbox.value[0]?.state === "accepted");
  assert.deepEqual(posted, ["a", "b", "a"]);
});

test("without a session nothing is posted until the connection is back, and nothing is lost", async () => {
  const { sender, posted, signedOut } = setUp([fail(401)]);
  sender.send(entry("a"));
  await until(() => signedOut() === 1);
  sender.send(entry("b"));
  assert.deepEqual(posted, ["a"]);
  sender.wake();
  await until(() => sender.outbox.value.every(({ state }) => state === "accepted"));
  assert.deepEqual(posted, ["a", "a", "b"]);
});

test("a reload sends what was not confirmed, under the same id", async () => {
  const before = setUp([() => new Promise(() => undefined)]);
  before.sender.send(entry("a"));
  const after = setUp([], before.kept.value);
  after.sender.wake();
  await until(() => after.sender.outbox.value[0]?.state === "accepted");
  assert.deepEqual(after.posted, ["a"]);
});
