// A disk that fills and a channel that floods: contained, told, and over by itself when the cause is gone.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { keyPaths } from "../../bus/accounts/key-files.ts";
import { connectBus } from "../../bus/connect.ts";
import { makeEvent } from "../../bus/event.ts";
import { lanes } from "../../bus/subjects.ts";
import { withLog } from "../../ops/cli/bus.ts";
import { starter, temporaryHome, until, whenReady } from "./supervisor-support.ts";

const programs = starter();
const root = process.getuid?.() === 0;
const MIB = 1024 * 1024;

/** One append of about 100 kB as the CLI; true when the log has it. */
async function append(home: string, command: string): Promise<boolean> {
  return withLog(home, async (log) => {
    const data = {
      command,
      by: { id: "owner", channel: "cli" },
      group: "main",
      due: "2040-01-01T00:00:00.000Z",
      replyTo: { channel: "web", chat: "c" },
      text: "x".repeat(100_000),
    };
    const event = makeEvent("ScheduleTask", command, { source: "cli", nowMs: Date.now() }, data);
    await log.append(lanes.command("cli", command), 0, event);
    return true;
  }).catch(() => false);
}

void describe("the supervisor's guards", () => {
  after(() => programs.endAll());

  void it(
    "pauses intake on a small disk, restarts a broker that met a full one, and goes on when there is room",
    {
      skip: !root && "needs root to mount a small disk",
    },
    async (context) => {
      const home = temporaryHome();
      try {
        execFileSync("/bin/mount", ["-t", "tmpfs", "-o", "size=128m", "tmpfs", home], { stdio: "pipe" });
      } catch {
        context.skip("this machine does not let us mount");
        return;
      }
      try {
        const one = await programs.start({ home, standIns: [{ name: "router" }] });
        await whenReady(one);
        await until("intake paused", async () => (await one.status()).intakePaused?.includes("MiB free") || undefined);
        assert.ok(await append(home, "before"));
        const { bavail, bsize } = statfsSync(home);
        const filler = join(home, "filler");
        writeFileSync(filler, Buffer.alloc(bavail * bsize - 2 * MIB));
        let count = 0;
        await until("a refused append", async () => !(await append(home, `fill-${count++}`)) || undefined);
        await until("the broker restarted for it", async () => {
          const told = one.lines.some(
            (line) => line.includes("the broker is restarted") && line.includes("cannot write"),
          );
          return (told && ((await one.row("broker"))?.restarts ?? 0) > 0) || undefined;
        });
        rmSync(filler);
        await until("an append behind it", async () => (await append(home, `after-${count++}`)) || undefined);
        const events = await one.events();
        assert.ok(events.some(({ type }) => type === "IntakePaused"));
        assert.ok(events.some((event) => event.type === "ScheduleTask" && event.data.command === "before"));
        one.child.kill("SIGTERM");
        await one.exited;
      } finally {
        execFileSync("/bin/umount", ["-l", home]);
      }
    },
  );

  void it("closes the account of a channel that floods, leaves core alone, and says so on the log", async () => {
    const one = await programs.start({ standIns: [{ name: "router" }] });
    const { run } = await whenReady(one);
    const flooder = await connectBus({
      server: run?.bus ?? "",
      credsFile: keyPaths(one.home).creds("web"),
      name: "web",
    });
    const subject = `stats.${run?.host ?? ""}.web`;
    const block = new Uint8Array(MIB - 1024);
    let cut = false;
    void (async () => {
      for await (const status of flooder.status()) if (status.type === "disconnect") cut = true;
    })();
    try {
      await until("the flooder is cut", async () => {
        if (cut) return true;
        flooder.publish(subject, block);
        await flooder.flush().catch(() => undefined);
        return undefined;
      });
      const closed = await until("ChannelClosed", async () =>
        (await one.events()).find(({ type }) => type === "ChannelClosed"),
      );
      assert.ok(closed.type === "ChannelClosed" && closed.data.channel === "web" && closed.data.bytes > 32 * MIB);
      assert.ok(await append(one.home, "meanwhile"), "core still appends");
      const again = connectBus({ server: run?.bus ?? "", credsFile: keyPaths(one.home).creds("web"), name: "web" });
      await assert.rejects(
        again.then((nc) => nc.close()),
        "its door stays shut",
      );
    } finally {
      await flooder.close();
    }
    // The next start opens it: nothing else would.
    one.child.kill("SIGTERM");
    await one.exited;
    const next = await programs.start({ home: one.home, standIns: [{ name: "router" }] });
    const { run: nextRun } = await whenReady(next);
    const nc = await connectBus({
      server: nextRun?.bus ?? "",
      credsFile: keyPaths(one.home).creds("web"),
      name: "web",
    });
    await nc.close();
  });
});
