import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { accessProblems, checkAccess, type ChannelAccess, type CoreAccess } from "./access.ts";
import { jwtPermissions, permissionsOf } from "./permissions.ts";

const channel: ChannelAccess = { type: "channel", channel: "web", services: [], streams: [] };
const core: CoreAccess = { type: "core", user: "router", publish: [], subscribe: [] };

describe("a channel's declaration", () => {
  for (const service of [
    ">",
    "log.>",
    "log.in.>",
    "log.in.*.>",
    "log.in.webb.>",
    "log.in.telegram.>",
    "log.turn.web.*.*.wake",
    "log.cmd.*",
    "query.>",
    "stats.*.router",
    "stats.>",
    "$JS.API.>",
    "$JS.API.DIRECT.GET.LOG",
    "$JS.API.DIRECT.GET.LOG.>",
    "$JS.API.DIRECT.GET.LOG.log.in.telegram.>",
    "$JS.API.CONSUMER.CREATE.LOG.web",
    "$JS.API.STREAM.INFO.LOG",
    "$JS.ACK.LOG.wake.>",
    "$SYS.REQ.SERVER.PING",
    "intake.pause",
  ])
    it(`is refused the service ${service}`, () => {
      assert.equal(accessProblems({ ...channel, services: [service] }).length, 1);
    });

  for (const stream of [">", "live.>", "live.*.>", "live.telegram.>", "log.in.web.>", "intake.>", "_INBOX.>", "$JS.>"])
    it(`is refused the stream ${stream}`, () => {
      assert.equal(accessProblems({ ...channel, streams: [stream] }).length, 1);
    });

  it("is allowed what is its own", () => {
    const services = ["log.in.web.>", "log.cmd.web.*", "log.out.web.*", "stats.*.web", "query.stats.*"];
    assert.deepEqual(accessProblems({ ...channel, services, streams: ["live.web.>", "feed.>", "intake.pause"] }), []);
  });
});

describe("declarations", () => {
  it("of core are refused whole trees and the server's own subjects", () => {
    for (const subject of [">", "*.>", "log.>", "log.*.>", "$JS.API.>", "$SYS.>", "_INBOX.>", "_R_.>"])
      assert.equal(accessProblems({ ...core, publish: [subject] }).length, 1, subject);
  });

  it("do not share a name, and names are tokens", () => {
    assert.throws(() => checkAccess([core, core]), { code: "BUS_SUBJECT_INVALID" });
    assert.throws(() => checkAccess([{ ...core, user: "a.b" }]), { code: "BUS_SUBJECT_INVALID" });
    checkAccess([core, channel]);
  });
});

describe("permissions", () => {
  it("of somebody who may publish nothing deny everything: an empty list would allow everything", () => {
    assert.deepEqual(jwtPermissions(permissionsOf(core)).pub, { allow: [], deny: [">"] });
  });

  it("to answer are given to those who serve, and a wider right to publish to nobody", () => {
    const serving = permissionsOf({ ...core, serves: ["query.router.*"] });
    assert.deepEqual(serving.publish, []);
    assert.ok(serving.answers && serving.subscribe.includes("query.router.*"));
    assert.equal(jwtPermissions(permissionsOf(core)).resp, undefined);
  });

  it("of readers leave the runners' queue alone", () => {
    const reader = permissionsOf({ ...core, reads: true });
    assert.ok(reader.publishDenied.includes("$JS.API.CONSUMER.MSG.NEXT.LOG.wake"));
    assert.ok(reader.publishDenied.includes("$JS.API.CONSUMER.DELETE.LOG.wake"));
    assert.ok(!permissionsOf({ ...core, reads: true, wakeQueue: true }).publishDenied.includes("$JS.ACK.LOG.wake.>"));
  });
});
