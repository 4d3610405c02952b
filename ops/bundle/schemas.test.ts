import assert from "node:assert/strict";
import { test } from "node:test";
import { compareSchemas, readsAll, schemaDocument } from "./schemas.ts";

interface Document {
  properties: Record<string, unknown>;
  required: string[];
}

function document(change: (copy: Document) => void): Document {
  const copy = structuredClone(schemaDocument("MessageReceived:1")) as Document;
  change(copy);
  return copy;
}

const ours = schemaDocument("MessageReceived:1");

void test("a schema that lacks an optional member of ours is read whole", () => {
  const older = document((copy) => delete copy.properties["mode"]);
  assert.ok(readsAll(ours, older));
  assert.deepEqual(compareSchemas({ "MessageReceived:1": older }), { unknown: [], differing: [] });
});

void test("one that has a member we do not know, another bound or another obligation is not", () => {
  assert.ok(
    !readsAll(
      ours,
      document((copy) => (copy.properties["mood"] = { type: "string" })),
    ),
  );
  assert.ok(
    !readsAll(
      ours,
      document((copy) => (copy.properties["text"] = { type: "string", maxLength: 9 })),
    ),
  );
  assert.ok(
    !readsAll(
      ours,
      document((copy) => copy.required.pop()),
    ),
  );
  assert.ok(!readsAll(ours, {}));
});

void test("one of an event that this release does not have is named", () => {
  assert.deepEqual(compareSchemas({ "Danced:1": {} }), { unknown: ["Danced:1"], differing: [] });
});
