// `taffrail up` on a machine that is not fit for it: one clear sentence, nothing started, nothing left.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { after, describe, it } from "node:test";
import { findNatsServer } from "../../ops/setup/nats-server.mjs";
import { canDieWithParent } from "../../ops/supervisor/spawn-child.ts";
import { starter, temporaryHome } from "./supervisor-support.ts";

const programs = starter();
const root = process.getuid?.() === 0;
const setpriv = await canDieWithParent();

async function refusal(
  env: NodeJS.ProcessEnv,
  home = temporaryHome(),
  yaml?: string,
): Promise<{ code: number; text: string; home: string }> {
  if (yaml !== undefined) writeFileSync(join(home, "taffrail.yaml"), yaml);
  const one = await programs.start({ home, cli: ["up"], env });
  const code = await one.exited;
  return { code, text: one.lines.join("\n"), home };
}

function script(text: string): string {
  const path = join(temporaryHome(), "nats-server");
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
  return path;
}

void describe("taffrail up", () => {
  after(() => programs.endAll());

  void it("names every problem of file and environment at once, exits 2 and starts nothing", async () => {
    const { code, text, home } = await refusal(
      { TAFFRAIL_PORT: "http" },
      temporaryHome(),
      "prot: 1\nagent:\n  runners: many\nmodel:\n  use: gpt\n",
    );
    assert.equal(code, 2);
    assert.match(text, /CONFIG_INVALID: the configuration has 4 problems/);
    assert.match(text, /prot: is not known; did you mean "port"\?/);
    assert.match(text, /agent\.runners: "many" is not a whole number/);
    assert.match(text, /model\.use: "gpt" is not demo, anthropic/);
    assert.match(text, /TAFFRAIL_PORT: "http" is not a port/);
    assert.ok(!existsSync(join(home, "keys")) && !existsSync(join(home, "run")));
  });

  void it("says that the port is taken", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const { code, text, home } = await refusal({ TAFFRAIL_PORT: String(port) });
    server.close();
    assert.equal(code, 1);
    assert.match(text, new RegExp(`PORT_TAKEN: port ${port} on 127\\.0\\.0\\.1 is taken`));
    assert.ok(!existsSync(join(home, "broker")));
  });

  void it("says that the state folder cannot be used", async () => {
    const file = join(temporaryHome(), "file");
    writeFileSync(file, "");
    const { code, text } = await refusal({ TAFFRAIL_HOME: join(file, "home") });
    // Reading the configuration is the first to meet it.
    assert.equal(code, 2);
    assert.match(text, /CONFIG_INVALID[\s\S]*ENOTDIR/);
  });

  void it(
    "says that the state folder is not writable",
    { skip: (!root || !setpriv) && "needs root to become somebody else" },
    () => {
      const folder = temporaryHome();
      chmodSync(folder, 0o555);
      const user = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];
      const cli = ["--import", "tsx", join(import.meta.dirname, "..", "..", "ops", "cli", "main.ts"), "up"];
      const env = { PATH: process.env["PATH"], TAFFRAIL_HOME: join(folder, "home"), HOME: folder };
      try {
        execFileSync("setpriv", [...user, process.execPath, ...cli], { env, stdio: "pipe", timeout: 60_000 });
        assert.fail("it started");
      } catch (error) {
        const { stderr } = error as { stderr?: Buffer };
        assert.match(String(stderr), /HOME_NOT_WRITABLE: the state folder .* cannot be used: no permission/);
      }
    },
  );

  void it("says that the disk is full", { skip: !root && "needs root to mount a small disk" }, async (context) => {
    const folder = temporaryHome();
    try {
      execFileSync("/bin/mount", ["-t", "tmpfs", "-o", "size=16m", "tmpfs", folder], { stdio: "pipe" });
    } catch {
      context.skip("this machine does not let us mount");
      return;
    }
    try {
      const { code, text } = await refusal({}, folder);
      assert.equal(code, 1);
      assert.match(text, /DISK_FULL: the disk of .* has \d+ MiB free; 64 MiB are needed to start/);
      assert.ok(!existsSync(join(folder, "keys")));
    } finally {
      execFileSync("/bin/umount", [folder]);
    }
  });

  void it("says that the broker is too old", async () => {
    const { code, text, home } = await refusal({ TAFFRAIL_NATS_SERVER: script('echo "nats-server: v2.9.11"') });
    assert.equal(code, 1);
    assert.match(text, /BROKER_TOO_OLD: .*2\.9\.11/);
    assert.ok(!existsSync(join(home, "broker", "jetstream")));
  });

  void it("says that the named broker is not there", async () => {
    const { code, text } = await refusal({}, temporaryHome(), "broker:\n  path: /nowhere/nats-server\n");
    assert.equal(code, 1);
    assert.match(text, /BROKER_NOT_FOUND: .*\/nowhere\/nats-server/);
  });

  void it("says that the broker does not sync each append", async () => {
    const real = await findNatsServer();
    assert.ok(real !== undefined);
    // Runs the real one on our configuration less the one line.
    const unsafe = script(`
if [ "$1" = "-c" ]; then sed '/sync_interval/d' "$2" > "$2.unsafe"; exec ${real.path} -c "$2.unsafe"; fi
exec ${real.path} "$@"`);
    const { code, text } = await refusal({ TAFFRAIL_NATS_SERVER: unsafe });
    assert.equal(code, 1);
    assert.match(text, /BROKER_NO_FSYNC: /);
    // The control: the same way in, with the line left as it is.
    const safe = script(`exec ${real.path} "$@"`);
    const one = await programs.start({ standIns: [], env: { TAFFRAIL_NATS_SERVER: safe } });
    await new Promise<void>((resolve) => {
      const look = setInterval(() => {
        if (!one.lines.some((line) => line.startsWith("READY "))) return;
        clearInterval(look);
        resolve();
      }, 25);
    });
  });

  void it("shows why a broker that ends at once did so", async () => {
    const broken = script(
      'if [ "$1" = "-c" ]; then echo "[1] [FTL] no such luck" >&2; exit 1; fi; echo "nats-server: v2.15.1"',
    );
    const { code, text } = await refusal({ TAFFRAIL_NATS_SERVER: broken });
    assert.equal(code, 1);
    assert.match(text, /no such luck/);
    assert.match(text, /BROKER_START_FAILED: nats-server does not start: exit code 1/);
  });
});
