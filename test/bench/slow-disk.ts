/** First token with an SD card: each fsync of the broker is made to last longer by strace. */
import { spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findNatsServer } from "../../ops/setup/nats-server.mjs";
import type { ScenarioResult } from "./figures.ts";
import { firstTokenFigures, sampleFirstTokens, type FirstTokenOptions } from "./first-token.ts";
import { startProduct } from "./product.ts";

const FSYNC_MS = 20;
const SCENARIO = "first token, slow disk";

/** undefined: strace can hold up a system call here. */
function whyNot(): string | undefined {
  const inject = ["-f", "--seccomp-bpf", "-e", "trace=fsync", "-e", "inject=fsync:delay_enter=1", "-o", "/dev/null"];
  const tried = spawnSync("strace", [...inject, "true"], { encoding: "utf8" });
  if (tried.error !== undefined) return "strace is not installed";
  return tried.status === 0 ? undefined : `strace does not work here: ${tried.stderr.trim().slice(0, 120)}`;
}

/**
 * A nats-server whose fsyncs last longer. strace's own filter needs that strace starts the program; with -D the program
 * keeps the pid that the supervisor knows, signals and ends.
 */
function wrapper(natsServer: string, microseconds: number): string {
  return `#!/bin/sh
case " $* " in *" -c "*)
  exec strace -D -f --seccomp-bpf -o /dev/null -e trace=fsync,fdatasync \\
    -e inject=fsync,fdatasync:delay_enter=${microseconds} '${natsServer}' "$@" ;;
esac
exec '${natsServer}' "$@"
`;
}

export async function slowDisk(options: FirstTokenOptions): Promise<ScenarioResult> {
  const found = await findNatsServer();
  const reason = found === undefined ? "there is no nats-server" : whyNot();
  if (found === undefined || reason !== undefined)
    return { scenario: SCENARIO, figures: [], notes: [], skipped: reason ?? "" };
  const folder = await mkdtemp(join(tmpdir(), "taffrail-bench-"));
  try {
    const program = join(folder, "nats-server");
    await writeFile(program, wrapper(found.path, FSYNC_MS * 1000), { mode: 0o755 });
    const product = await startProduct({ env: { TAFFRAIL_NATS_SERVER: program } });
    try {
      const [p50, p95] = firstTokenFigures(await sampleFirstTokens(product.system, options), {});
      return {
        scenario: SCENARIO,
        figures: [p50, p95].filter((one) => one !== undefined),
        notes: [`${FSYNC_MS} ms are added to each fsync of the broker; three appends stand before the first token.`],
      };
    } finally {
      await product.stop();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
