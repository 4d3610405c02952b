import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { describe, test } from "node:test";
import { build } from "esbuild";
import { toOpenAiBody } from "./openai.ts";
import { ModelError } from "./port.ts";
import { parseModel } from "./select.ts";
import { redact, retryAfterMs } from "./server-errors.ts";

void describe("a model's name", () => {
  void test("splits at the first colon, so that an id may hold colons and slashes", () => {
    assert.deepEqual(parseModel("demo"), { provider: "demo", id: "" });
    assert.deepEqual(parseModel("demo:slow"), { provider: "demo", id: "slow" });
    assert.deepEqual(parseModel("ollama:llama3.2:1b"), { provider: "ollama", id: "llama3.2:1b" });
    assert.deepEqual(parseModel("openai:org/model:free"), { provider: "openai", id: "org/model:free" });
    assert.deepEqual(parseModel("anthropic:claude"), { provider: "anthropic", id: "claude" });
  });

  void test("is refused with the list of forms when it has none of them", () => {
    for (const name of ["", "gpt-5", "openai:", "anthropic", "OpenAI:x", "ollama:a b", `openai:${"x".repeat(201)}`])
      assert.throws(
        () => parseModel(name),
        (error) =>
          error instanceof ModelError &&
          error.code === "MODEL_UNKNOWN" &&
          !error.retryable &&
          ["demo", "anthropic:<id>", "openai:<id>", "ollama:<id>"].every((form) => error.message.includes(form)) &&
          error.message.length < 300,
        name,
      );
  });
});

void describe("an error text", () => {
  void test("loses the key and what begins like it", () => {
    const key = "sk-live+0123456789";
    assert.equal(redact(`bad ${key}, also "sk-live+01***89" and x`, key), "bad [key], also [key] and x");
    assert.equal(redact("nothing to hide", undefined), "nothing to hide");
  });

  void test("crosses threads as a plain object", () => {
    const error = new ModelError("MODEL_RATE_LIMITED", "slow down", { retryAfterMs: 5, status: 429 });
    const back = ModelError.fromPlain(structuredClone(error.toPlain()));
    assert.deepEqual(back.toPlain(), error.toPlain());
    assert(back instanceof ModelError && back.retryable);
  });
});

void test("the wait that a server asks for is read from seconds, milliseconds and dates, and bounded", () => {
  const now = Date.parse("2026-01-01T00:00:00Z");
  const wait = (name: string, value: string) => retryAfterMs(new Headers({ [name]: value }), now);
  assert.equal(wait("retry-after", "7"), 7000);
  assert.equal(wait("retry-after", "0.5"), 500);
  assert.equal(wait("retry-after-ms", "120"), 120);
  assert.equal(wait("retry-after", "Thu, 01 Jan 2026 00:00:09 GMT"), 9000);
  assert.equal(wait("retry-after", "Wed, 31 Dec 2025 00:00:00 GMT"), 0);
  assert.equal(wait("retry-after", "99999999"), 3_600_000);
  assert.equal(wait("retry-after", "soon"), undefined);
  assert.equal(retryAfterMs(new Headers(), now), undefined);
});

void test("OpenAI itself gets its newer name for the output limit", () => {
  assert.deepEqual(toOpenAiBody({ model: "x", max_tokens: 5 }), { model: "x", max_completion_tokens: 5 });
});

/** What a file imports when it is loaded, with all that it imports statically. */
async function loadedWith(entry: string): Promise<string[]> {
  const { metafile } = await build({
    entryPoints: [fileURLToPath(new URL(entry, import.meta.url))],
    bundle: true,
    splitting: true,
    packages: "external",
    platform: "node",
    format: "esm",
    outdir: "unused",
    write: false,
    metafile: true,
  });
  const loaded = new Set<string>();
  const visit = (file: string) => {
    for (const { path, kind, external } of metafile.outputs[file]?.imports ?? []) {
      if (kind !== "import-statement" || loaded.has(path)) continue;
      loaded.add(path);
      if (!external) visit(path);
    }
  };
  visit(Object.keys(metafile.outputs).find((file) => metafile.outputs[file]?.entryPoint !== undefined) ?? "");
  return [...loaded];
}

void describe("the AI SDK", () => {
  const isSdk = (path: string) => path === "ai" || path.startsWith("@ai-sdk/");

  void test("is not loaded by the pool, nor by a worker before it is asked for", async () => {
    for (const entry of ["pool.ts", "worker.ts", "demo.ts", "ollama.ts", "select.ts"]) {
      const loaded = await loadedWith(entry);
      assert.deepEqual(loaded.filter(isSdk), [], entry);
    }
    assert((await loadedWith("pool.ts")).includes("piscina"), "the check sees what is loaded");
  });

  void test("is loaded by the providers that need it", async () => {
    for (const entry of ["anthropic.ts", "openai.ts"]) assert((await loadedWith(entry)).some(isSdk), entry);
  });
});
