// What comes in from outside: odd ids, odd orders, odd bytes. Nothing lost, nothing doubled, an error with a code for the rest.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { request as httpRequest } from "node:http";
import { after, before, test } from "node:test";
import { WebSocket } from "ws";
import type { StoredEvent } from "../../bus/event.ts";
import type { ItemView } from "../../schemas/views.ts";
import { answerTo } from "../faults/one-answer.ts";
import { rowOf } from "../faults/processes.ts";
import { openSpy, type Spy } from "../faults/spy.ts";
import { startSystem, until, type System } from "../support/system.ts";

let system: System;
let spy: Spy;

before(async () => {
  system = await startSystem({ model: "demo:fast" });
  spy = await openSpy(system.home);
});

after(async () => {
  await spy.close();
  await system.stop();
});

type Answer = Awaited<ReturnType<System["api"]>>;

const path = (chat: string, message?: string): string =>
  `/api/chats/${encodeURIComponent(chat)}/messages${message === undefined ? "" : `/${encodeURIComponent(message)}`}`;
const post = (chat: string, id: string, text: string): Promise<Answer> => system.api("POST", path(chat), { id, text });
const edit = (chat: string, id: string, revision: string, text: string): Promise<Answer> =>
  system.api("PUT", path(chat, id), { revision, text });
const remove = (chat: string, id: string): Promise<Answer> => system.api("DELETE", path(chat, id));

function refused(answer: Answer, status: number, code: string): void {
  assert.equal(answer.status, status, JSON.stringify(answer.body));
  assert.equal(answer.body["code"], code);
  assert.ok(typeof answer.body["message"] === "string" && typeof answer.body["action"] === "string");
}

async function taken(sending: Promise<Answer>): Promise<number> {
  const { status, body } = await sending;
  assert.equal(status, 202, JSON.stringify(body));
  return Number(body["seq"]);
}

async function of(type: StoredEvent["type"], chat: string): Promise<StoredEvent[]> {
  return (await spy.events()).filter(
    (event) => event.type === type && "chat" in event.data && event.data.chat === chat,
  );
}

async function items(chat: string, done: (items: ItemView[]) => boolean): Promise<ItemView[]> {
  return until(`the items of ${chat}`, async () => {
    const { body } = await system.api("GET", `/api/chats/${encodeURIComponent(chat)}/items`);
    const list = (body["items"] ?? []) as ItemView[];
    return done(list) ? list : undefined;
  });
}

const ended = (list: ItemView[]): boolean => list.some((item) => item.kind === "turn" && item.state === "completed");

const ODD_IDS = {
  "256 characters": "x".repeat(256),
  emoji: "👩‍👩‍👧‍👦 héllo",
  "the subject's own signs": "a.b.*.>.c",
  "signs of paths and addresses": "../../etc/passwd?x=1#y%2F/\\",
  "a lone dot": ".",
  "a lone star": "*",
  "what encoding makes itself": "_bZm9v",
  "letters that differ by case only": "ABC",
  "the same in small": "abc",
  "256 characters beyond ASCII": "語".repeat(256),
};

test("odd ids of chats and messages are taken as they are, each is one message and has one answer", async () => {
  // Of all at once: two ids that met in one subject would refuse each other.
  const odd = Object.values(ODD_IDS);
  await Promise.all(odd.map((id) => taken(post("ids", id, `echo ${id.slice(0, 20)}`))));
  // No browser sends a step of dots in an address: URL parsers take it out.
  const chats = odd.filter((id) => id !== ".");
  await Promise.all(chats.map((id) => taken(post(id, "m", "echo hi"))));
  for (const id of chats) {
    await spy.event("TurnCompleted", { chat: id });
    assert.equal(answerTo(await spy.events(), id, "m"), "hi");
    assert.equal((await items(id, ended)).filter((item) => item.kind === "turn").length, 1);
  }
  await until("all answers", async () => {
    const ends = await of("TurnCompleted", "ids");
    const answered = ends.flatMap((event) => (event.type === "TurnCompleted" ? event.data.answers : []));
    return odd.every((id) => answered.filter((one) => one === id).length === 1);
  });
  assert.equal((await of("MessageReceived", "ids")).length, odd.length);
});

const BAD_IDS = {
  "257 characters": "x".repeat(257),
  "a line break": "a\nb",
  "a zero byte": "a\u0000b",
  "a control character": "a\u0085b",
  "half a character": "a\ud83d",
  nothing: "",
};

for (const [what, id] of Object.entries(BAD_IDS))
  test(`an id with ${what} is refused with a code`, async () => {
    refused(await system.api("POST", path("bad"), { id, text: "hi" }), 400, "REQUEST_INVALID");
    if (id === "") return;
    // In the address half a character has no legal form; these are its bytes.
    const inPath = id.isWellFormed() ? encodeURIComponent(id) : "a%ED%A0%BD";
    const address = `/api/chats/${inPath}/messages`;
    refused(await system.api("POST", address, { id: "m", text: "hi" }), 400, "REQUEST_INVALID");
    assert.equal((await of("MessageReceived", "bad")).length, 0);
  });

test("the same message twice is one; the same id with another text is refused", async () => {
  const [first, second] = await Promise.all([
    taken(post("twice", "m1", "echo a")),
    taken(post("twice", "m1", "echo a")),
  ]);
  assert.equal(first, second);
  assert.equal(await taken(post("twice", "m1", "echo a")), first);
  refused(await post("twice", "m1", "echo b"), 409, "MESSAGE_ID_REUSED");
  await spy.event("TurnCompleted", { chat: "twice" });
  assert.equal((await of("MessageReceived", "twice")).length, 1);
  assert.equal(answerTo(await spy.events(), "twice", "m1"), "a");
});

test("an edit before its message is kept, and the message is answered as edited", async () => {
  await taken(edit("early", "m1", "r1", "echo corrected"));
  await taken(post("early", "m1", "echo first"));
  await spy.event("TurnCompleted", { chat: "early" });
  const list = await items("early", ended);
  const message = list.find((item) => item.kind === "message");
  assert.ok(message?.kind === "message");
  assert.deepEqual([message.text, message.edited], ["echo corrected", true]);
  assert.equal(answerTo(await spy.events(), "early", "m1"), "corrected", "the model read what the reader sees");
});

test("the same edit twice is one; a second revision stands", async () => {
  await taken(post("edits", "m1", "echo one"));
  const first = await taken(edit("edits", "m1", "r1", "echo two"));
  assert.equal(await taken(edit("edits", "m1", "r1", "echo two")), first);
  refused(await edit("edits", "m1", "r1", "echo other"), 409, "MESSAGE_ID_REUSED");
  await taken(edit("edits", "m1", "r2", "echo three"));
  assert.equal((await of("MessageEdited", "edits")).length, 2);
  const list = await items("edits", (all) => all.some((item) => item.kind === "message" && item.text === "echo three"));
  assert.equal(list.filter((item) => item.kind === "message").length, 1);
});

test("a deletion before its message keeps it from being answered, and nothing of it is shown", async () => {
  await taken(remove("gone", "m1"));
  await taken(remove("gone", "m1"));
  await taken(post("gone", "m1", "echo secret"));
  await taken(post("gone", "m2", "echo open"));
  await spy.event("TurnCompleted", { chat: "gone" });
  const list = await items("gone", ended);
  const message = list.find((item) => item.kind === "message" && item.message === "m1");
  assert.ok(message?.kind === "message");
  assert.deepEqual([message.text, message.deleted], ["", true]);
  const requests = await of("TurnRequested", "gone");
  assert.equal(requests.length, 1);
  assert.equal((await of("MessageDeleted", "gone")).length, 1);
  assert.equal(answerTo(await spy.events(), "gone", "m2"), "open");
});

test("malformed and oversized bodies get a code each, and the process stays up", async () => {
  const { pid } = await rowOf(system.home, "web");
  const long = "x".repeat(32_769);
  const cases: [string, string, unknown, number, string][] = [
    ["POST", path("b"), "{", 400, "REQUEST_INVALID"],
    ["POST", path("b"), "null", 400, "REQUEST_INVALID"],
    ["POST", path("b"), "[]", 400, "REQUEST_INVALID"],
    ["POST", path("b"), "5", 400, "REQUEST_INVALID"],
    ["POST", path("b"), { id: 5, text: "hi" }, 400, "REQUEST_INVALID"],
    ["POST", path("b"), { id: "a" }, 400, "REQUEST_INVALID"],
    ["POST", path("b"), { id: "a", text: "  " }, 400, "REQUEST_INVALID"],
    ["POST", path("b"), { id: "a", text: long }, 400, "REQUEST_INVALID"],
    ["POST", path("b"), { id: "a", text: "hi", mode: "loud" }, 400, "REQUEST_INVALID"],
    ["POST", path("b"), { id: "a", text: "hi", from: { owner: true } }, 400, "REQUEST_INVALID"],
    ["POST", path("b"), '{"id":"a","text":"hi","__proto__":{"x":1}}', 400, "REQUEST_INVALID"],
    ["POST", path("b"), { id: "a", text: "x".repeat(300_000) }, 413, "REQUEST_TOO_LARGE"],
    ["PUT", path("b", "a"), { revision: "r" }, 400, "REQUEST_INVALID"],
    ["PUT", path("b", "a"), undefined, 400, "REQUEST_INVALID"],
    ["POST", "/api/commands", { type: "FormatDisk", command: "c" }, 400, "REQUEST_INVALID"],
    ["POST", "/api/commands", { type: "CancelTurn", command: "c" }, 400, "REQUEST_INVALID"],
    ["POST", "/api/commands", { type: "CancelTurn", command: "c", chat: "b", more: 1 }, 400, "REQUEST_INVALID"],
    ["POST", "/api/commands", { type: "RetryTurn", command: "c", chat: "b", turn: { a: 1 } }, 400, "REQUEST_INVALID"],
    ["GET", "/api/events/x", undefined, 400, "REQUEST_INVALID"],
    ["GET", "/api/events/999999999", undefined, 404, "NOT_FOUND"],
    ["GET", "/api/chats/b/items?limit=x", undefined, 400, "REQUEST_INVALID"],
    ["GET", "/api/nothing", undefined, 404, "NOT_FOUND"],
    ["POST", "/api/enter", { token: "wrong" }, 401, "LINK_INVALID"],
    ["POST", "/api/enter", { token: {} }, 401, "LINK_INVALID"],
  ];
  for (const [method, at, body, status, code] of cases) {
    const answer = await system.api(method, at, body);
    assert.deepEqual(
      [answer.status, answer.body["code"]],
      [status, code],
      `${method} ${at} ${JSON.stringify(body)?.slice(0, 80)}`,
    );
    refused(answer, status, code);
  }
  assert.equal((await of("MessageReceived", "b")).length, 0);
  assert.equal((await rowOf(system.home, "web")).pid, pid);
  // The control: right in each of these points it is taken.
  await taken(post("b", "a", "echo fine"));
});

interface Raw {
  status: number;
  code: unknown;
}

/** A request with headers that fetch would not send. */
function raw(at: string, headers: Record<string, string>, method = "GET"): Promise<Raw> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: "127.0.0.1", port: system.port, path: at, method, headers }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => (text += part));
      response.on("end", () => {
        let code: unknown;
        try {
          code = (JSON.parse(text) as { code?: unknown }).code;
        } catch {
          // The page itself is no JSON.
        }
        resolve({ status: response.statusCode ?? 0, code });
      });
    });
    request.on("error", reject).end();
  });
}

test("only the page's own address and origin may speak", async () => {
  const authorization = `Bearer ${system.bearer()}`;
  const own = `127.0.0.1:${system.port}`;
  const ok = { status: 200, code: undefined };
  const foreign = { status: 403, code: "ORIGIN_REFUSED" };
  assert.deepEqual(await raw("/api/session", { host: own, authorization }), ok);
  assert.deepEqual(await raw("/api/session", { host: own, authorization, origin: `http://${own}` }), ok);
  assert.deepEqual(await raw("/api/session", { host: `evil.example:${system.port}`, authorization }), foreign);
  assert.deepEqual(await raw("/", { host: "evil.example" }), foreign);
  assert.deepEqual(await raw("/api/session", { host: own, authorization, origin: "http://evil.example" }), foreign);
  assert.deepEqual(await raw("/api/session", { host: own, authorization, origin: "null" }), foreign);
  assert.deepEqual(await raw("/api/session", { host: own, authorization, origin: "http://127.0.0.1:1" }), foreign);
});

test("without a session nothing is told and nothing is taken", async () => {
  const own = `127.0.0.1:${system.port}`;
  const out = { status: 401, code: "SIGN_IN_REQUIRED" };
  for (const at of ["/api/session", "/api/chats", "/api/models", "/api/events/1", "/api/chats/b/items", "/api/socket"])
    assert.deepEqual(await raw(at, { host: own }), out, at);
  assert.deepEqual(await raw(path("b"), { host: own }, "POST"), out);
  const [body = "", signature = ""] = system.bearer().split(".");
  const forged = Buffer.from(JSON.stringify({ sub: "owner", exp: 9_999_999_999 })).toString("base64url");
  for (const token of [`${forged}.${signature}`, `${body}.`, body, `${body}.${signature}x`, ""])
    assert.deepEqual(await raw("/api/session", { host: own, authorization: `Bearer ${token}` }), out, token);
  assert.deepEqual(await raw("/api/session", { host: own, authorization: `Bearer ${system.bearer()}` }), {
    status: 200,
    code: undefined,
  });
});

interface Line {
  readonly socket: WebSocket;
  readonly frames: Record<string, unknown>[];
  /** Status of the refusal, or close code. */
  readonly closed: Promise<number>;
}

async function openLine(headers: Record<string, string> = {}): Promise<Line> {
  const socket = new WebSocket(`ws://127.0.0.1:${system.port}/api/socket`, {
    headers: { authorization: `Bearer ${system.bearer()}`, ...headers },
  });
  const frames: Record<string, unknown>[] = [];
  socket.on("message", (data: Buffer) => frames.push(JSON.parse(data.toString()) as Record<string, unknown>));
  let refusal = 0;
  socket.on("unexpected-response", (_request, response) => {
    refusal = response.statusCode ?? 0;
    socket.terminate();
  });
  socket.on("error", () => undefined);
  const closed = new Promise<number>((resolve) =>
    socket.once("close", (code) => resolve(refusal === 0 ? code : refusal)),
  );
  await Promise.race([new Promise((resolve) => socket.once("open", resolve)), closed]);
  return { socket, frames, closed };
}

test("wrong frames get a code each on a line that stays open; only an oversized one closes it", async () => {
  const line = await openLine();
  const wrong = [
    "{",
    "null",
    "5",
    '"subscribe"',
    "[]",
    "{}",
    '{"type":"subscribe"}',
    '{"type":"subscribe","chat":5,"after":0}',
    '{"type":"subscribe","chat":"a\\u0000b","after":0}',
    '{"type":"subscribe","chat":"a\\ud800","after":0}',
    '{"type":"subscribe","chat":"a","after":-1}',
    '{"type":"subscribe","chat":"a","after":"0"}',
    '{"type":"subscribe","chat":"a","after":1e99}',
    '{"type":"shout","chat":"a","after":0}',
    '{"type":"__proto__","chat":"a","after":0}',
  ];
  for (const [index, text] of wrong.entries()) {
    line.socket.send(text);
    const errors = (): Record<string, unknown>[] => line.frames.filter((frame) => frame["type"] === "error");
    await until(`a refusal of ${text}`, () => Promise.resolve(errors().length > index));
    assert.equal(errors().length, index + 1, text);
    assert.equal(errors().at(-1)?.["code"], "REQUEST_INVALID", text);
  }
  line.socket.send(Buffer.from([1, 2, 3]));
  await until("a refusal of bytes", () =>
    Promise.resolve(line.frames.filter((frame) => frame["type"] === "error").length > wrong.length),
  );
  line.socket.send('{"type":"ping"}');
  await until("the line to be alive", () => Promise.resolve(line.frames.some((frame) => frame["type"] === "pong")));
  for (let index = 0; index < 9; index++)
    line.socket.send(JSON.stringify({ type: "subscribe", chat: `n${index}`, after: 0 }));
  await until("the bound of chats", () =>
    Promise.resolve(line.frames.some((frame) => frame["chat"] === "n8" && frame["code"] === "REQUEST_INVALID")),
  );
  line.socket.send(" ".repeat(20_000));
  assert.equal(await line.closed, 1009);
});

test("a socket of a foreign origin or without a session is refused before it opens", async () => {
  assert.equal(await (await openLine({ origin: "http://evil.example" })).closed, 403);
  assert.equal(await (await openLine({ authorization: "Bearer nothing.nothing" })).closed, 401);
  const own = await openLine({ origin: `http://127.0.0.1:${system.port}` });
  await until("hello", () => Promise.resolve(own.frames.some((frame) => frame["type"] === "hello")));
  own.socket.close();
});

/** The appends of one turn in their order, refused ones too, and how many of them came before its first token. */
async function appendsOf(chat: string, text: string): Promise<{ types: string[]; beforeToken: number }> {
  const from = spy.attempts.length;
  await taken(post(chat, randomUUID(), text));
  await spy.event("TurnCompleted", { chat });
  // What another process would append because of it has come by the end of a turn that began after it.
  await taken(post(`${chat}-behind`, randomUUID(), "hello"));
  await spy.event("TurnCompleted", { chat: `${chat}-behind` });
  const isToken = ({ subject }: { subject: string }): boolean => subject.startsWith(`live.web.${chat}.`);
  const own = spy.attempts.slice(from).filter((attempt) => attempt.data["chat"] === chat || isToken(attempt));
  return { types: own.filter((one) => !isToken(one)).map(({ type }) => type), beforeToken: own.findIndex(isToken) };
}

test("a turn of one step makes at most four appends, at most three of them before its first token", async () => {
  const one = await appendsOf("counted", "hello");
  assert.deepEqual(one.types, ["MessageReceived", "TurnRequested", "TurnClaimed", "TurnCompleted"]);
  assert.ok(one.beforeToken >= 0 && one.beforeToken <= 3, `${one.beforeToken} appends before the first token`);
  // The control: a turn with a tool makes more, and they are counted.
  assert.ok((await appendsOf("tooled", "echo hi")).types.length > 4);
});
