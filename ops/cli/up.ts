/** `taffrail up`: runs the supervisor in this process until it is told to stop. */
import { calledAs } from "./called.ts";
import { hostname, userInfo } from "node:os";
import { describeError } from "../../bus/errors.ts";
import type { Config } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import { codeVersion, distFolder } from "../config/code-version.ts";
import { version } from "../config/version.ts";
import { createOutput, type Output } from "../supervisor/output.ts";
import { ownProcesses } from "../supervisor/process-list.ts";
import { Supervisor, type RunningSupervisor } from "../supervisor/supervisor.ts";
import { printFailure } from "./failure.ts";
import { textOption } from "./options.ts";
import type { CommandLine } from "./usage.ts";

export async function up(line: CommandLine): Promise<number> {
  const config = loadConfig(process.env, { home: textOption(line, "home") });
  const level = line.options["verbose"] === true ? "debug" : "info";
  const output = createOutput({
    stream: process.stdout,
    level,
    colours: process.stdout.isTTY && !process.env["NO_COLOR"],
  });
  const supervisor = new Supervisor({
    config,
    env: process.env,
    output,
    version,
    processes: (port) => ownProcesses(config, distFolder(), port, { version, code: codeVersion() }),
  });
  const interruption = stopOnSignals(supervisor, output);
  try {
    const running = await supervisor.start();
    announce(output, config, running);
  } catch (error) {
    // Asked to stop while it started: that is no failure.
    return interruption.asked ? 0 : printFailure(error);
  }
  await supervisor.stopped;
  output.say("info", "stopped");
  return interruption.broken ? 1 : 0;
}

function stopOnSignals(supervisor: Supervisor, output: Output): { asked: boolean; broken: boolean } {
  const state = { asked: false, broken: false };
  const stop = (signal: string): void => {
    if (state.asked && signal === "SIGINT") {
      supervisor.kill();
      process.exit(130);
    }
    if (!state.asked) output.say("info", "stopping; Ctrl-C again ends everything at once");
    state.asked = true;
    void supervisor.stop();
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => stop(signal));
  // Whatever ends this process: the children go with it, also where they cannot see that by themselves.
  process.on("exit", () => supervisor.kill());
  const broken = (error: unknown): void => {
    output.say("error", `the supervisor failed: ${describeError(error)}`, {
      stack: error instanceof Error ? error.stack : undefined,
    });
    state.broken = true;
    state.asked = true;
    void supervisor.stop();
  };
  process.on("uncaughtException", broken);
  process.on("unhandledRejection", broken);
  return state;
}

function announce(output: Output, config: Config, { link, run }: RunningSupervisor): void {
  // Since the process began, so that loading and checks count too.
  const readyMs = Math.round(performance.now());
  const tunnel = headless() ? sshLine(run.port) : undefined;
  const lines = [
    "",
    `Taffrail is ready in ${(readyMs / 1000).toFixed(1)} s.`,
    "",
    `  ${link}`,
    `  (works once, within 15 minutes; \`${calledAs} link\` prints a new one)`,
    ...(tunnel === undefined ? [] : ["", "  From another machine, run this there first:", `  ${tunnel}`]),
    "",
    `  model ${config.model.use}, state in ${config.home}`,
    `  Ctrl-C or \`${calledAs} down\` stops it.`,
    "",
  ];
  const address = `http://127.0.0.1:${run.port}/`;
  output.announce(lines.join("\n"), "Taffrail is ready", { readyMs, address, link, tunnel, home: config.home });
}

function headless(): boolean {
  const { DISPLAY, WAYLAND_DISPLAY, SSH_CONNECTION } = process.env;
  return Boolean(SSH_CONNECTION) || !(DISPLAY || WAYLAND_DISPLAY);
}

function sshLine(port: number): string {
  // "client port server port": the address under which this machine was just reached.
  const reached = process.env["SSH_CONNECTION"]?.split(" ")[2];
  return `ssh -L ${port}:127.0.0.1:${port} ${userInfo().username}@${reached ?? hostname()}`;
}
