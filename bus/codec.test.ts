import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { catalogue } from "../schemas/index.ts";
import { decodeEvent, encodedBytes, encodeEvent, type EncodedEvent } from "./codec.ts";
import { hasCode, TaffrailError } from "./errors.ts";
import { makeEvent, type LogEntry, type NewEvent } from "./event.ts";
import { MAX_EVENT_BYTES } from "./log.ts";
import { lanes, parseSubject } from "./subjects.ts";
import { readFixtures, type Fixture } from "./testing/fixtures.ts";
import { sampleMessage } from "./testing/sample-events.ts";

const fixtures = readFixtures();
const HEADER_LINE = /^[\x20-\x7e]*$/;

function decode({ headers, payload }: EncodedEvent, subject: string): LogEntry {
  return decodeEvent({ seq: 7, subject, storedAtMs: 1_000, payload, header: (name) => headers[name] ?? "" });
}

function eventOf({ type, version, data }: Fixture): NewEvent {
  const origin = { source: "test", nowMs: 0, cause: { id: "cause", correlationId: "correlation" } };
  return { ...makeEvent(type, "id", origin, data), version };
}

function withData(fixture: Fixture, data: object): Fixture {
  return { ...fixture, data: data as Fixture["data"] };
}

test("every schema version of events and commands has a fixture", () => {
  const files = ["events", "commands"].flatMap((name) => readdirSync(new URL(`../schemas/${name}/`, import.meta.url)));
  assert.deepEqual(
    fixtures.map(({ type, version }) => `${type}.v${version}.json`),
    files.toSorted(),
  );
});

for (const fixture of fixtures) {
  test(`the fixture of ${fixture.type} v${fixture.version} stands on its lane and reads back as it was written`, () => {
    assert.ok(parseSubject(fixture.subject) !== undefined, fixture.subject);
    const event = eventOf(fixture);
    const entry = decode(encodeEvent(event, fixture.subject), fixture.subject);
    assert.deepEqual(entry, {
      ...event,
      traceparent: undefined,
      seq: 7,
      subject: fixture.subject,
      storedAtMs: 1_000,
      version: catalogue[fixture.type].version,
    });
  });
}

test("whatever characters an attribute holds, headers stay one printable line and read back the same", () => {
  const text = fc.oneof(
    fc.string({ unit: "grapheme", minLength: 1 }),
    fc.string({ unit: "binary-ascii", minLength: 1 }),
    fc.constantFrom("%", "%41", "100 %", "a\r\nNats-Rollup: all", "\0", "ü", "🙂", " lead", "trail ", ":", "\u2028"),
  );
  fc.assert(
    fc.property(text, text, text, fc.option(text, { nil: undefined }), (id, source, correlationId, causationId) => {
      const { lane, event } = sampleMessage("chat", "m");
      const odd = { ...event, id, source, correlationId, causationId };
      const encoded = encodeEvent(odd, lane.subject);
      for (const value of Object.values(encoded.headers)) assert.match(value, HEADER_LINE);
      const entry = decode(encoded, lane.subject);
      assert.deepEqual(entry, { ...odd, seq: 7, subject: lane.subject, storedAtMs: 1_000 });
    }),
  );
});

test("whatever text a person writes reads back the same", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const { lane, event } = sampleMessage("chat", "m", text);
      const entry = decode(encodeEvent(event, lane.subject), lane.subject);
      assert.ok(entry.type === "MessageReceived");
      assert.equal(entry.data.text, text);
    }),
  );
});

test("an attribute with half a character is refused as invalid, not with an unknown error", () => {
  const { lane, event } = sampleMessage("chat", "m");
  assert.throws(
    () => encodeEvent({ ...event, source: "\ud800" }, lane.subject),
    (error) => hasCode(error, "BUS_EVENT_INVALID"),
  );
});

test("data beside its schema and events over the limit are refused before they reach the broker", () => {
  const { lane, event } = sampleMessage("chat", "m");
  const refuses = (broken: NewEvent, code: TaffrailError["code"]): void =>
    assert.throws(
      () => encodeEvent(broken, lane.subject),
      (error) => hasCode(error, code),
    );
  refuses({ ...event, data: {} } as NewEvent, "BUS_EVENT_INVALID");
  refuses({ ...event, version: 99 }, "BUS_EVENT_INVALID");
  refuses({ ...event, source: "s".repeat(MAX_EVENT_BYTES) }, "BUS_EVENT_TOO_LARGE");
  const longest = sampleMessage("chat", "m", "𝄞".repeat(131_072));
  assert.ok(encodedBytes(encodeEvent(longest.event, lane.subject)) < MAX_EVENT_BYTES);
});

test("bytes that are no event of this release become a named entry, never an exception", () => {
  const { lane, event } = sampleMessage("chat", "m");
  const good = encodeEvent(event, lane.subject);
  const broken: [string, EncodedEvent][] = [
    ["no headers", { ...good, headers: {} }],
    ["another type in the schema", { ...good, headers: { ...good.headers, "ce-type": "Steered" } }],
    ["an unknown type", { ...good, headers: { ...good.headers, "ce-dataschema": "taffrail:Nonsense:1" } }],
    ["a type of Object's", { ...good, headers: { ...good.headers, "ce-dataschema": "taffrail:constructor:1" } }],
    [
      "a version of the future",
      { ...good, headers: { ...good.headers, "ce-dataschema": "taffrail:MessageReceived:9" } },
    ],
    [
      "a version that is none",
      { ...good, headers: { ...good.headers, "ce-dataschema": "taffrail:MessageReceived:x" } },
    ],
    ["a broken escape", { ...good, headers: { ...good.headers, "ce-id": "%zz" } }],
    ["no JSON", { ...good, payload: new TextEncoder().encode("{") }],
    ["broken UTF-8", { ...good, payload: Uint8Array.from([0x22, 0xff, 0x22]) }],
    ["data beside the schema", { ...good, payload: new TextEncoder().encode("{}") }],
  ];
  for (const [what, encoded] of broken) {
    const entry = decode(encoded, lane.subject);
    assert.ok(entry.type === "unreadable", what);
    assert.equal(entry.code, "BUS_EVENT_UNREADABLE");
    assert.equal(entry.seq, 7);
    assert.ok(entry.message.length > 0 && entry.message.length <= 500);
  }
});

test("arbitrary bytes and headers never throw", () => {
  const headers = fc.dictionary(fc.constantFrom("ce-id", "ce-type", "ce-dataschema", "ce-source"), fc.string());
  fc.assert(
    fc.property(headers, fc.uint8Array(), fc.string(), (given, payload, subject) => {
      assert.equal(decode({ headers: given, payload }, subject).type, "unreadable");
    }),
  );
});

test("an event of each type is unreadable on every lane but its own", () => {
  const places = new Map(fixtures.map(({ type, subject }) => [catalogue[type].lane as string, subject]));
  for (const fixture of fixtures) {
    const own = catalogue[fixture.type].lane.split(" or ");
    const encoded = encodeEvent(eventOf(fixture), fixture.subject);
    for (const [lane, subject] of places) {
      if (lane.split(" or ").some((name) => own.includes(name as never))) continue;
      assert.equal(decode(encoded, subject).type, "unreadable", `${fixture.type} on ${lane}`);
    }
  }
});

test("an event that names another place than its subject is unreadable", () => {
  const find = (type: string): Fixture => fixtures.find((fixture) => fixture.type === type)!;
  const message = find("MessageReceived");
  const steered = find("Steered");
  const command = find("CancelTurn");
  const misplaced: [string, Fixture, string][] = [
    ["another chat", withData(message, { ...message.data, chat: "other" }), message.subject],
    ["another channel", withData(message, { ...message.data, channel: "telegram" }), message.subject],
    ["another message", withData(message, { ...message.data, message: "m-2" }), message.subject],
    ["the same message a second time", message, message.subject.replace(/\.0$/, ".1")],
    ["a message in the place of an edit", message, find("MessageEdited").subject],
    ["an edit in the place of a deletion", find("MessageEdited"), find("MessageDeleted").subject],
    ["another turn", withData(steered, { ...steered.data, turn: "other" }), steered.subject],
    ["a turn's other channel", withData(steered, { ...steered.data, channel: "other" }), steered.subject],
    [
      "a command in another's name",
      withData(command, { ...command.data, by: { id: "owner", channel: "telegram" } }),
      command.subject,
    ],
    ["no subject of the log", message, "other.in.web.home.m-1.0"],
    ["a lane that does not exist", steered, steered.subject.replace("signal", "other")],
  ];
  for (const [what, fixture, subject] of misplaced) {
    const entry = decode(encodeEvent(eventOf(fixture), subject), subject);
    assert.equal(entry.type, "unreadable", what);
  }
});

test("an odd chat id names its place through its encoded token", () => {
  const chat = "group:42/ö";
  const { event } = sampleMessage(chat, "m 1");
  const lane = lanes.message("web", chat, "m 1");
  assert.equal(decode(encodeEvent(event, lane.subject), lane.subject).type, "MessageReceived");
  const foreign = lanes.message("web", "group:43/ö", "m 1");
  assert.equal(decode(encodeEvent(event, foreign.subject), foreign.subject).type, "unreadable");
});
