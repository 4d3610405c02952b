import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { canonicalJson, deriveId, hashJson, tokenMint } from "./ids.ts";

const ID = /^[A-Za-z0-9_-]{22}$/;
const parts = fc.array(fc.oneof(fc.string({ unit: "binary", maxLength: 8 }), fc.integer()), { maxLength: 5 });

test("the same parts make the same id, which is a subject token", () => {
  fc.assert(
    fc.property(parts, (given) => {
      assert.equal(deriveId(...given), deriveId(...given));
      assert.match(deriveId(...given), ID);
    }),
  );
});

test("parts that only read the same when joined make different ids", () => {
  const lists: string[][] = [
    ["a", "bc"],
    ["ab", "c"],
    ["abc"],
    ["", "abc"],
    ["abc", ""],
    ["1:a"],
    ["a", "1:b"],
    ["a|1:b"],
    [],
  ];
  assert.equal(new Set(lists.map((list) => deriveId(...list))).size, lists.length);
  fc.assert(
    fc.property(parts, parts, (a, b) => {
      const same = a.length === b.length && a.every((part, index) => String(part) === String(b[index]));
      // Half characters have no bytes of their own in UTF-8; ids are not made from them.
      fc.pre(![...a, ...b].some((part) => /\p{Surrogate}/u.test(String(part))));
      assert.equal(deriveId(...a) === deriveId(...b), same);
    }),
  );
});

test("tokens of one install key say nothing about those of another, nor about ids", () => {
  const [mint, other] = [tokenMint(new Uint8Array(32)), tokenMint(new Uint8Array(32).fill(1))];
  assert.equal(mint("web", "home"), mint("web", "home"));
  assert.match(mint("web", "home"), ID);
  assert.notEqual(mint("web", "home"), other("web", "home"));
  assert.notEqual(mint("web", "home"), deriveId("web", "home"));
  assert.notEqual(mint("we", "bhome"), mint("web", "home"));
});

test("equal values have equal canonical JSON, whatever the order of their keys", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const reversed = reverseKeys(value);
      assert.equal(canonicalJson(value), canonicalJson(reversed));
      assert.equal(hashJson(value), hashJson(reversed));
      // JSON has one zero.
      assert.deepEqual(JSON.parse(canonicalJson(value)), JSON.parse(JSON.stringify(value)));
    }),
  );
});

test("members that are undefined do not count, others do", () => {
  assert.equal(hashJson({ a: 1, b: undefined }), hashJson({ a: 1 }));
  assert.notEqual(hashJson({ a: 1, b: null }), hashJson({ a: 1 }));
  assert.notEqual(hashJson([1, 2]), hashJson([2, 1]));
  assert.notEqual(hashJson("1"), hashJson(1));
  assert.match(hashJson({}), /^[A-Za-z0-9_-]{43}$/);
});

function reverseKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reverseKeys);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([key, member]) => [key, reverseKeys(member)]),
  );
}
