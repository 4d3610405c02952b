// The supervisor over stand-in processes and a real broker: order, restarts, what is left when it is killed.
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, describe, it } from "node:test";
import { canDieWithParent } from "../../ops/supervisor/spawn-child.ts";
import { isAlive, starter, until, whenReady, type Running } from "./supervisor-support.ts";

const programs = starter();
const diesWithParent = await canDieWithParent();

async function pidsOf(one: Running): Promise<number[]> {
  return (await one.status()).processes.map(({ pid }) => pid);
}

void describe("the supervisor", () => {
  after(() => programs.endAll());

  void it("starts services together, the edge behind them, and stops in the opposite order", async () => {
    const one = await programs.start({
      standIns: [{ name: "router", delayMs: 400 }, { name: "stats" }, { name: "web", stage: "edge" }],
    });
    const { processes } = await whenReady(one);
    assert.deepEqual(
      processes.map(({ name, ready }) => [name, ready]),
      [
        ["broker", true],
        ["router", true],
        ["stats", true],
        ["web", true],
      ],
    );
    const events = await until("four starts in the log", async () => {
      const found = (await one.events()).filter(({ type }) => type === "ProcessStarted");
      return found.length === 4 ? found : undefined;
    });
    assert.equal(new Set(events.map(({ subject }) => subject)).size, 4);
    one.child.kill("SIGTERM");
    const notes = until("the edge and services stopped", () => {
      const all = one.notes();
      return all.filter(({ what }) => what === "stopped").length === 3 ? all : undefined;
    });
    const order = (await notes).map(({ name, what }) => `${name} ${what}`);
    const at = (text: string): number => order.indexOf(text);
    assert.ok(at("stats started") < at("router ready"), "services start together");
    assert.ok(at("router ready") < at("web started"), "the edge waits for the slowest service");
    assert.ok(at("web stopped") < Math.min(at("router stopped"), at("stats stopped")), "the edge stops first");
    assert.equal(await one.exited, 0);
    assert.ok(processes.every(({ pid }) => !isAlive(pid)));
  });

  void it("gives a child its own variables and none of the person's", async () => {
    const one = await programs.start({
      standIns: [{ name: "router" }],
      env: { TAFFRAIL_MODEL_API_KEY: "key-1", SECRET: "1" },
    });
    await whenReady(one);
    const line = await until("the child's line", () => one.lines.find((text) => text.includes("here I am")));
    const { keys } = JSON.parse(line) as { keys: string[] };
    assert.ok(keys.includes("TAFFRAIL_CREDS"));
    assert.ok(!keys.includes("SECRET"));
    assert.ok(!keys.includes("TAFFRAIL_MODEL_API_KEY"), "only runners get the model's key");
  });

  void it("starts a killed process again at once and says so on the log", async () => {
    const one = await programs.start({ standIns: [{ name: "router" }] });
    const { processes } = await whenReady(one);
    const before = processes.find(({ name }) => name === "router");
    process.kill(before?.pid ?? 0, "SIGKILL");
    const now = await until("a new router", async () => {
      const row = await one.row("router");
      return row?.ready && row.pid !== before?.pid ? row : undefined;
    });
    assert.equal(now.restarts, 1);
    await until("both ends on the log", async () => {
      const own = (await one.events()).filter(({ subject }) => subject === "log.process.router");
      const exit = own.find((event) => event.type === "ProcessExited");
      return exit?.type === "ProcessExited" && exit.data.signal === "SIGKILL" && own.length === 3 ? own : undefined;
    });
  });

  void it("gives up a start whose process fails three times, with the process's own words, and leaves nothing", async () => {
    const one = await programs.start({ standIns: [{ name: "router", mode: "failing" }, { name: "stats" }] });
    assert.equal(await one.exited, 2);
    const text = one.lines.join("\n");
    assert.match(text, /CONFIG_INVALID: router does not start: it is told to fail/);
    const notes = one.notes();
    assert.equal(notes.filter(({ name, what }) => name === "router" && what === "started").length, 3);
    assert.ok(notes.every(({ pid }) => !isAlive(pid)));
  });

  void it("kills a process that does not end within its grace period", async () => {
    const one = await programs.start({ standIns: [{ name: "router", mode: "stubborn" }] });
    const pids = await whenReady(one).then(() => pidsOf(one));
    one.child.kill("SIGTERM");
    assert.equal(await one.exited, 0);
    assert.ok(pids.every((pid) => !isAlive(pid)));
  });

  void it("leaves no orphan when it is killed itself", { skip: !diesWithParent && "no setpriv here" }, async () => {
    const one = await programs.start({
      standIns: [
        { name: "router", mode: "stubborn" },
        { name: "web", stage: "edge" },
      ],
    });
    await whenReady(one);
    const pids = await pidsOf(one);
    assert.equal(pids.length, 3);
    one.child.kill("SIGKILL");
    await until("all ended", () => pids.every((pid) => !isAlive(pid)) || undefined);
  });

  void it("ends what a killed one left where children cannot die with it (also the control of the test before)", async () => {
    // On an empty PATH there is no setpriv.
    const one = await programs.start({ standIns: [{ name: "router" }], env: { TEST_PATH: "/nowhere" } });
    await whenReady(one);
    const broker = (await one.row("broker"))?.pid ?? 0;
    one.child.kill("SIGKILL");
    await one.exited;
    assert.ok(isAlive(broker), "without the guard the broker stays behind");
    const next = await programs.start({ home: one.home, standIns: [{ name: "router" }] });
    await whenReady(next);
    assert.ok(!isAlive(broker));
  });

  void it("starts a killed broker again on the same port", async () => {
    const one = await programs.start({ standIns: [{ name: "router" }] });
    const { run, processes } = await whenReady(one);
    process.kill(processes[0]?.pid ?? 0, "SIGKILL");
    await until("a new broker", async () => {
      const row = await one.row("broker");
      return row?.ready && row.restarts === 1 ? row : undefined;
    });
    assert.equal((await one.status()).run?.bus, run?.bus);
    await until(
      "its start on the log",
      async () =>
        (await one.events()).filter(({ subject }) => subject === "log.process.broker").length === 3 || undefined,
    );
  });

  void it("ends a broker that is frozen and starts another", async () => {
    const one = await programs.start({ standIns: [{ name: "router" }] });
    const { processes } = await whenReady(one);
    const pid = processes[0]?.pid ?? 0;
    process.kill(pid, "SIGSTOP");
    const row = await until("a new broker", async () => {
      const now = await one.row("broker");
      return now?.ready && now.pid !== pid ? now : undefined;
    });
    assert.equal(row.restarts, 1);
    assert.ok(!isAlive(pid));
    assert.ok((await one.events()).length > 0);
  });

  void it("refuses a second start on the same state folder and leaves the first one alone", async () => {
    const one = await programs.start({ standIns: [{ name: "router" }] });
    await whenReady(one);
    const second = await programs.start({ home: one.home, standIns: [{ name: "router" }] });
    assert.equal(await second.exited, 1);
    assert.match(second.lines.join("\n"), /HOME_IN_USE: another Taffrail runs on/);
    assert.equal((await one.row("router"))?.restarts, 0);
  });

  void it("stops when it is interrupted in the middle of its start", async () => {
    const one = await programs.start({ standIns: [{ name: "router", delayMs: 3_600_000 }] });
    await until("the router started", () => one.notes().length > 0 || undefined);
    one.child.kill("SIGTERM");
    await once(one.child, "exit");
    assert.ok(one.notes().every(({ pid }) => !isAlive(pid)));
  });
});
