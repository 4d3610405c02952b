import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { hasCode } from "./errors.ts";
import { encodeToken, filters, lanes, liveSubjects, matchesFilter, parseSubject, type Lane } from "./subjects.ts";

const TOKEN = /^[A-Za-z0-9_-]{1,64}$/;
const SUBJECT = /^log(\.[A-Za-z0-9_-]{1,64})+$/;

/** Any string a platform may use as an id, with those that are likely to meet weighted up. */
const id = fc.oneof(
  fc.string({ unit: "binary", maxLength: 80 }),
  fc.string({ unit: "grapheme", maxLength: 80 }),
  fc.stringMatching(/^[A-Za-z0-9_-]{0,80}$/),
  fc.stringMatching(/^_[bhu][A-Za-z0-9_-]{0,70}$/),
  fc.constantFrom("", "_", "*", ">", ".", "a.b", "a b", "\ud800", "\udc00", "\ufffd", "0".repeat(64), "0".repeat(65)),
  fc.string({ minLength: 200, maxLength: 300 }),
);
const token = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/);

test("an encoded id always fits the grammar", () => {
  fc.assert(fc.property(id, (outside) => assert.match(encodeToken(outside), TOKEN)));
});

test("two ids never share a token, not even when one looks like an encoded other", () => {
  fc.assert(
    fc.property(fc.uniqueArray(id, { minLength: 2, maxLength: 40 }), (ids) => {
      const all = [...ids, ...ids.map(encodeToken)];
      assert.equal(new Set(all.map(encodeToken)).size, new Set(all).size);
    }),
    { numRuns: 300 },
  );
});

test("odd ids that would meet in UTF-8, in case or in length stay apart", () => {
  const ids = ["", "\ud800", "\ud801", "\ufffd", "a", "A", "_", "_bYQ", "é", "e\u0301", "a".repeat(65), "a".repeat(66)];
  assert.equal(new Set(ids.map(encodeToken)).size, ids.length);
});

test("plain ids stay readable", () => {
  for (const plain of ["home", "4711", "-100123", "a_b-C", "x".repeat(64)]) assert.equal(encodeToken(plain), plain);
});

test("a subject that was built is parsed back to what it was built from", () => {
  fc.assert(
    fc.property(token, token, token, id, id, id, (channel, chatToken, turn, chat, message, revision) => {
      const key = { channel, chatToken, turn };
      const chatPart = encodeToken(chat);
      const messagePart = encodeToken(message);
      const inbound = { type: "in", channel, chatToken: chatPart, messageToken: messagePart };
      const expected: [Lane, object][] = [
        [lanes.message(channel, chat, message), { ...inbound, revision: "0" }],
        [lanes.edit(channel, chat, message, revision), { ...inbound, revision: encodeToken(`e${revision}`) }],
        [lanes.deletion(channel, chat, message, revision), { ...inbound, revision: encodeToken(`d${revision}`) }],
        [lanes.command(channel, message), { type: "cmd", channel, commandToken: messagePart }],
        [lanes.turnRequest(key), { type: "turn", key, lane: "wake" }],
        [lanes.turnResume(key), { type: "turn", key, lane: "wake" }],
        [lanes.signal(key), { type: "turn", key, lane: "signal" }],
        [lanes.claim(key), { type: "turn", key, lane: "step" }],
        [lanes.step(key), { type: "turn", key, lane: "step" }],
        [lanes.out(key, channel), { type: "turn", key, lane: "out" }],
        [lanes.end(key, channel), { type: "turn", key, lane: "out" }],
        [lanes.task(channel, turn), { type: "task", group: channel, task: turn }],
        [lanes.chat(channel, chat), { type: "chat", channel, chatToken: chatPart }],
        [lanes.process(channel), { type: "process", process: channel }],
        [lanes.deadLetter(channel, 4711), { type: "dead", process: channel, seq: 4711 }],
      ];
      for (const [{ subject, fence }, parsed] of expected) {
        assert.match(subject, SUBJECT);
        assert.deepEqual(parseSubject(subject), parsed);
        assert.ok(matchesFilter(fence, subject), `${fence} does not guard ${subject}`);
      }
    }),
    { numRuns: 300 },
  );
});

test("a new message, an edit and a deletion with the same mark are three subjects", () => {
  const subjects = [
    lanes.message("web", "c", "m"),
    lanes.edit("web", "c", "m", "0"),
    lanes.deletion("web", "c", "m", "0"),
  ].map(({ subject }) => subject);
  assert.equal(new Set(subjects).size, 3);
});

test("a token that comes from us and does not fit is refused, never encoded in silence", () => {
  const key = { channel: "web", chatToken: "c", turn: "t" };
  for (const bad of ["", "a.b", "*", ">", "ü", "x".repeat(65), "a b"]) {
    for (const build of [
      () => lanes.message(bad, "c", "m"),
      () => lanes.command(bad, "c"),
      () => lanes.step({ ...key, turn: bad }),
      () => lanes.signal({ ...key, chatToken: bad }),
      () => lanes.out(key, bad),
      () => lanes.task("main", bad),
      () => lanes.process(bad),
      () => filters.turn({ ...key, channel: bad }),
      () => liveSubjects.tokens("web", "c", bad),
    ]) {
      assert.throws(build, (error) => hasCode(error, "BUS_SUBJECT_INVALID"), JSON.stringify(bad));
    }
  }
});

test("what is no subject of the log does not parse", () => {
  for (const bad of ["", "log", "log.>", "log.in.web.c.m", "log.in.web.c.m.0.x", "log.turn.web.c.t", "live.web.c.t"]) {
    assert.equal(parseSubject(bad), undefined, bad);
  }
  for (const bad of ["log.turn.web.c.t.run.out", "log.turn.web.c.t.run.other", "log.turn.web.c.t.wake.x", "log..x.y"]) {
    assert.equal(parseSubject(bad), undefined, bad);
  }
});

test("each filter takes its own lanes and no other", () => {
  const key = { channel: "web", chatToken: "c", turn: "t" };
  const subjects = {
    message: lanes.message("web", "c", "m").subject,
    edit: lanes.edit("web", "c", "m", "1").subject,
    command: lanes.command("web", "x").subject,
    wake: lanes.turnRequest(key).subject,
    signal: lanes.signal(key).subject,
    step: lanes.step(key).subject,
    out: lanes.out(key, "web").subject,
    task: lanes.task("main", "x").subject,
    chat: lanes.chat("web", "c").subject,
    process: lanes.process("router").subject,
    dead: lanes.deadLetter("router", 1).subject,
  };
  const taken = (filter: string): string =>
    Object.entries(subjects)
      .filter(([, subject]) => matchesFilter(filter, subject))
      .map(([name]) => name)
      .join(" ");
  assert.equal(taken(filters.inbound), "message edit");
  assert.equal(taken(filters.commands), "command");
  assert.equal(taken(filters.turns), "wake signal step out");
  assert.equal(taken(filters.wakes), "wake");
  assert.equal(taken(filters.turnById(key.turn)), "wake signal step out");
  assert.equal(taken(filters.turnById("another")), "");
  assert.equal(taken(filters.signals), "signal");
  assert.equal(taken(filters.outs), "out");
  assert.equal(taken(filters.tasks), "task");
  assert.equal(taken(filters.chats), "chat");
  assert.equal(taken(filters.processes), "process");
  assert.equal(taken(filters.dead), "dead");
  assert.equal(taken(filters.turn(key)), "wake signal step out");
  assert.equal(taken(filters.turn({ ...key, turn: "t2" })), "");
  assert.equal(taken(filters.chatInbound("web", "c")), "message edit");
  assert.equal(taken(filters.chatInbound("web", "c2")), "");
  assert.equal(taken(filters.chatOuts("web", "c")), "out");
  assert.equal(taken("log.>"), Object.keys(subjects).join(" "));
});

test("a wildcard stands for one token and the tail for at least one", () => {
  assert.ok(matchesFilter("a.*.c", "a.b.c"));
  assert.ok(!matchesFilter("a.*.c", "a.b.b.c"));
  assert.ok(!matchesFilter("a.*", "a"));
  assert.ok(!matchesFilter("a.>", "a"));
  assert.ok(matchesFilter("a.>", "a.b.c"));
  assert.ok(!matchesFilter("a.b", "a.b.c"));
  assert.ok(!matchesFilter("a.b.c", "a.b"));
  assert.ok(!matchesFilter("a.b", "a.bc"));
});
