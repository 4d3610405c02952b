/** The rules that every implementation of `Live` keeps. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { hasCode, TaffrailError } from "../errors.ts";
import type { Live } from "../live.ts";
import type { Clock } from "../ports.ts";
import { until } from "./log-harness.ts";

export interface LiveHarness {
  readonly live: Live;
  readonly clock: Clock;
  /** The same bus as another process sees it. */
  makeSecondLive(): Promise<Live>;
  /** Resolves when the broker knows every subscription made so far. */
  subscribed(): Promise<void>;
  play<T>(body: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** Far beyond an answer, so that a slow machine is not taken for silence. */
const LONG_MS = 20_000;

const rules: readonly { name: string; run: (harness: LiveHarness) => Promise<void> }[] = [
  {
    name: "what is published reaches whom it concerns, in order, with its subject",
    async run(harness) {
      const { live, clock } = harness;
      const second = await harness.makeSecondLive();
      const heard: [unknown, string][] = [];
      const foreign: unknown[] = [];
      second.subscribe("live.web.*.t", (data, subject) => heard.push([data, subject]));
      second.subscribe("live.web.b.>", (data) => foreign.push(data));
      await harness.subscribed();
      for (let index = 0; index < 50; index++) live.publish("live.web.a.t", { index, text: "ü🙂\n" });
      await until(clock, "all are heard", () => heard.length === 50);
      assert.deepEqual(
        heard,
        Array.from({ length: 50 }, (_, index) => [{ index, text: "ü🙂\n" }, "live.web.a.t"]),
      );
      assert.deepEqual(foreign, []);
    },
  },
  {
    name: "who unsubscribed hears nothing more",
    async run(harness) {
      const { live, clock } = harness;
      const [left, stayed]: [unknown[], unknown[]] = [[], []];
      const leave = live.subscribe("feed.chats", (data) => left.push(data));
      live.subscribe("feed.chats", (data) => stayed.push(data));
      await harness.subscribed();
      live.publish("feed.chats", 1);
      await until(clock, "both heard it", () => left.length === 1 && stayed.length === 1);
      leave();
      live.publish("feed.chats", 2);
      await until(clock, "the other heard it", () => stayed.length === 2);
      assert.deepEqual(left, [1]);
    },
  },
  {
    name: "what is larger than its bound is replaced by what was given instead",
    async run(harness) {
      const { live, clock } = harness;
      const heard: unknown[] = [];
      live.subscribe("feed.chats", (data) => heard.push(data));
      await harness.subscribed();
      const bound = { maxBytes: 10, instead: { ask: true } };
      live.publish("feed.chats", "12345678", bound);
      // Bytes are counted, not characters.
      live.publish("feed.chats", "1234567ü", bound);
      await until(clock, "both are heard", () => heard.length === 2);
      assert.deepEqual(heard, ["12345678", { ask: true }]);
    },
  },
  {
    name: "a request is answered by who serves it, with data of any shape",
    async run(harness) {
      const { live } = harness;
      const second = await harness.makeSecondLive();
      second.serve("query.view.echo", async (data) => ({ echo: data }));
      await harness.subscribed();
      for (const data of [null, 0, "", [1, "ü"], { a: { b: null } }]) {
        assert.deepEqual(await live.request("query.view.echo", data, LONG_MS), { echo: data });
      }
    },
  },
  {
    name: "a request that nobody serves is refused as unavailable, also after the server left",
    async run(harness) {
      const { live } = harness;
      const unavailable = (error: unknown): boolean => hasCode(error, "BUS_UNAVAILABLE");
      await assert.rejects(live.request("query.view.none", {}, LONG_MS), unavailable);
      const leave = live.serve("query.view.none", async () => 1);
      await harness.subscribed();
      assert.equal(await live.request("query.view.none", {}, LONG_MS), 1);
      leave();
      await harness.subscribed();
      await assert.rejects(live.request("query.view.none", {}, LONG_MS), unavailable);
    },
  },
  {
    name: "a server that stays silent leaves the answer to another one, or the request to its time-out",
    async run(harness) {
      const { live } = harness;
      const second = await harness.makeSecondLive();
      second.serve("query.runner.turn", async () => undefined);
      await harness.subscribed();
      await assert.rejects(live.request("query.runner.turn", {}, 200), (error) =>
        hasCode(error, "BUS_REQUEST_TIMEOUT"),
      );
      live.serve("query.runner.turn", async () => "mine");
      await harness.subscribed();
      assert.equal(await live.request("query.runner.turn", {}, LONG_MS), "mine");
    },
  },
  {
    name: "a server that fails answers with its code, or with one for everything else",
    async run(harness) {
      const { live } = harness;
      live.serve("query.view.known", async () => {
        throw new TaffrailError("NOT_FOUND", "no such chat");
      });
      live.serve("query.view.other", async () => {
        throw new Error("boom");
      });
      await harness.subscribed();
      assert.deepEqual(await live.request("query.view.known", {}, LONG_MS), {
        error: { code: "NOT_FOUND", message: "NOT_FOUND: no such chat" },
      });
      assert.deepEqual(await live.request("query.view.other", {}, LONG_MS), {
        error: { code: "HANDLER_FAILED", message: "boom" },
      });
    },
  },
  {
    name: "of the members of a queue one answers each request, and none is asked twice",
    async run(harness) {
      const { live } = harness;
      const second = await harness.makeSecondLive();
      let handled = 0;
      for (const member of [live, second]) {
        member.serve("query.view.shared", async () => ++handled, "views");
      }
      await harness.subscribed();
      for (let index = 1; index <= 20; index++) {
        assert.equal(await live.request("query.view.shared", {}, LONG_MS), index);
      }
      assert.equal(handled, 20);
    },
  },
];

export function describeLiveConformance(name: string, makeHarness: () => Promise<LiveHarness>): void {
  void describe(`live conformance, ${name}`, () => {
    for (const rule of rules) {
      void test(rule.name, async () => {
        const harness = await makeHarness();
        try {
          await harness.play(() => rule.run(harness));
        } finally {
          await harness.close();
        }
      });
    }
  });
}
