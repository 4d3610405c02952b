import assert from "node:assert/strict";
import { test } from "node:test";
import { headers as makeHeaders, type Msg } from "nats";
import { headerReader } from "./header-reader.ts";

/** A message as the library makes it from what came over the wire. */
function message(text: string, payload = "{}"): Msg {
  const bytes = Buffer.from(`before${text}${payload}`);
  const data = bytes.subarray("before".length);
  const parsed = makeHeaders();
  for (const line of text.split("\r\n").slice(1)) {
    const at = line.indexOf(":");
    if (at > 0) parsed.append(line.slice(0, at), line.slice(at + 1));
  }
  return { _rdata: data, _msg: { hdr: Buffer.byteLength(text) }, headers: parsed } as unknown as Msg;
}

const NAMES = ["ce-id", "ce-type", "ce", "id", "Ce-Id", "ce-time", "missing"];
const TEXTS: Readonly<Record<string, string>> = {
  usual: "NATS/1.0\r\nce-id: abc\r\nce-type: MessageReceived\r\nce-time: 2026-01-01T00:00:00.000Z\r\n\r\n",
  "no blank, many blanks": "NATS/1.0\r\nce-id:abc\r\nce-type:   two words  \r\n\r\n",
  "twice, the first counts": "NATS/1.0\r\nce-id: first\r\nce-id: second\r\n\r\n",
  "another case is another name": "NATS/1.0\r\nCE-ID: loud\r\nCe-Id: mixed\r\n\r\n",
  "a name within a value or a longer name": "NATS/1.0\r\nx-ce-id: no\r\nce-type: ce-id: inner\r\nce-id: yes\r\n\r\n",
  "beyond ASCII": "NATS/1.0\r\nce-id: ä🙂\r\nce-type: x\r\n\r\n",
  "a status": "NATS/1.0 404 No Messages\r\nce-id: abc\r\n\r\n",
  "an empty value": "NATS/1.0\r\nce-id:\r\nce-type: x\r\n\r\n",
};

test("headers read from their bytes are those that the library reads", () => {
  for (const [what, text] of Object.entries(TEXTS)) {
    const one = message(text, "\r\nce-time: of the payload");
    const read = headerReader(one);
    for (const name of NAMES) assert.equal(read(name), one.headers?.get(name) ?? "", `${what}: ${name}`);
  }
});

test("a message without headers has none, and one that hides its bytes is read by the library", () => {
  assert.equal(headerReader({ _rdata: Buffer.from("{}"), _msg: { hdr: -1 } } as unknown as Msg)("ce-id"), "");
  const headers = makeHeaders();
  headers.set("ce-id", "abc");
  const hidden = { headers } as unknown as Msg;
  assert.equal(headerReader(hidden)("ce-id"), "abc");
  assert.equal(headerReader(hidden)("ce-type"), "");
});
