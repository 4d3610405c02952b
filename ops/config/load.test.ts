import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { TaffrailError } from "../../bus/errors.ts";
import type { ConfigProblem } from "./config.ts";
import { resolveHome } from "./home.ts";
import { loadConfig } from "./load.ts";
import { editDistance, nearestName } from "./nearest.ts";

function withHome<T>(yaml: string | undefined, use: (home: string) => T): T {
  const home = mkdtempSync(join(tmpdir(), "taffrail-config-"));
  try {
    if (yaml !== undefined) writeFileSync(join(home, "taffrail.yaml"), yaml);
    return use(home);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

function problemsOf(yaml: string, env: NodeJS.ProcessEnv = {}): string[] {
  return withHome(yaml, (home) => {
    try {
      loadConfig(env, { home });
      return [];
    } catch (error) {
      assert.ok(error instanceof TaffrailError);
      assert.equal(error.code, "CONFIG_INVALID");
      return (error.data["problems"] as ConfigProblem[]).map(({ where, what }) => `${where} ${what}`);
    }
  });
}

describe("the configuration", () => {
  it("is all defaults when there is no file, and frozen", () => {
    withHome(undefined, (home) => {
      const config = loadConfig({}, { home });
      assert.equal(config.port, 7420);
      assert.equal(config.model.use, "demo");
      assert.equal(config.agent.runners, 1);
      assert.throws(() => Object.assign(config.model, { use: "x" }), TypeError);
    });
  });

  it("names all problems at once, with the nearest key name", () => {
    const problems = problemsOf(
      "prot: 1\nport: eighty\nmodel:\n  usee: demo\nchat:\n  queueMode: steal\nagent:\n  runners: 0\n",
    );
    assert.deepEqual(problems.toSorted(), [
      "agent.runners 0 is less than 1",
      'chat.queueMode "steal" is none of: steer, queue, interrupt',
      'model.usee is not known; did you mean "use"?',
      'port "eighty" is not a whole number',
      'prot is not known; did you mean "port"?',
    ]);
  });

  it("takes the environment before the file and names its wrong values together with the file's", () => {
    withHome("port: 1000\nmodel:\n  use: ollama:a\n", (home) => {
      const config = loadConfig({ TAFFRAIL_PORT: "1234", TAFFRAIL_MODEL: "openai:b" }, { home });
      assert.equal(config.port, 1234);
      assert.equal(config.model.use, "openai:b");
    });
    const problems = problemsOf("models: [gpt]\n", {
      TAFFRAIL_PORT: "70000",
      TAFFRAIL_MODLE: "demo",
      TAFFRAIL_MODEL_API_KEY: "geheim nis",
    });
    assert.equal(problems.length, 4);
    assert.ok(problems.some((line) => line.startsWith('TAFFRAIL_PORT "70000" is not a port')));
    assert.ok(problems.some((line) => line.includes('did you mean "TAFFRAIL_MODEL"?')));
    assert.ok(!problems.join().includes("geheim"), "a key must not be shown");
  });

  it("takes prices by model, and names a price that is none", () => {
    withHome("prices:\n  anthropic:x: { input: 3, output: 15.5, cachedInput: 0 }\n", (home) => {
      assert.deepEqual(loadConfig({}, { home }).prices, {
        "anthropic:x": { input: 3, output: 15.5, cachedInput: 0 },
      });
    });
    withHome(undefined, (home) => assert.deepEqual(loadConfig({}, { home }).prices, {}));
    assert.deepEqual(problemsOf("prices:\n  m:x: { input: -1, output: free, inputs: 1 }\n").toSorted(), [
      "prices.m:x.input -1 is less than 0",
      'prices.m:x.inputs is not known; did you mean "input"?',
      'prices.m:x.output "free" is not a number',
    ]);
  });

  it("names a file that is no YAML or no mapping", () => {
    assert.match(problemsOf("port: [1\n")[0] ?? "", /^taffrail\.yaml /);
    assert.match(problemsOf("- a\n")[0] ?? "", /must hold keys and values/);
    assert.deepEqual(problemsOf("model:\nlog:\n"), []);
  });

  it("finds the state folder by option, variable, XDG", () => {
    assert.equal(resolveHome({ TAFFRAIL_HOME: "/a", HOME: "/h" }, "/b"), "/b");
    assert.equal(resolveHome({ TAFFRAIL_HOME: "~/a", HOME: "/h" }), "/h/a");
    assert.equal(resolveHome({ XDG_STATE_HOME: "/x", HOME: "/h" }), "/x/taffrail");
    assert.equal(resolveHome({ XDG_STATE_HOME: "x", HOME: "/h" }), "/h/.local/state/taffrail");
  });

  it("counts a swap as one edit and offers nothing that is far away", () => {
    assert.equal(editDistance("prot", "port"), 1);
    assert.equal(nearestName("zzz", ["port", "model"]), undefined);
  });
});
