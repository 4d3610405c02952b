/** Turns of every shape as a real system makes them, through its own doors. */
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { back, kill, rowOf } from "../faults/processes.ts";
import type { Trouble } from "../faults/told-model.ts";
import { until } from "../support/system.ts";
import type { Stage } from "./system-stage.ts";

const run = promisify(execFile);

const status = (code: number, more: Record<string, string> = {}): Trouble => ({
  kind: "status",
  status: code,
  headers: more,
});

async function cli(stage: Stage, ...args: string[]): Promise<void> {
  const { code, stderr } = await stage.system().cli(...args);
  if (code !== 0 && code !== 3) throw new Error(`${args.join(" ")}: ${code} ${stderr}`);
}

/** A turn whose answer is held at its second word; the test lets go of it. */
async function held(stage: Stage, chat: string, tag = chat): Promise<string> {
  stage.model.hold(tag, 2);
  const message = await stage.send(chat, `say ${tag} 6`);
  await stage.streaming(tag);
  return message;
}

async function plain(stage: Stage): Promise<void> {
  for (const tag of ["plaina", "plainb", "plainc"]) await stage.ask("plain", `say ${tag} 5`);
  await cli(stage, "send", "--chat", "plain", "say byhand 4");
}

async function tools(stage: Stage): Promise<void> {
  await stage.ask("tools", "use time timed 3");
  await stage.ask("tools", "use echo,remember;recall noted 3");
  await stage.ask("tools", "use launch;mars,echo unknown 3");
  await stage.ask("tools", "loop endless 3");
  await stage.ask("tools", "remember the milk then echo done", { model: "demo:fast" });
}

async function steering(stage: Stage): Promise<void> {
  const first = await held(stage, "steered");
  const more = [await stage.send("steered", "say steeredb 3"), await stage.send("steered", "use time steeredc 3")];
  stage.model.release("steered");
  for (const id of [first, ...more]) await stage.ended("steered", id);
  const again = await held(stage, "steered", "secondtime");
  const last = await stage.send("steered", "use remember,echo;recall steeredd 4", { mode: "steer" });
  stage.model.release("secondtime");
  for (const id of [again, last]) await stage.ended("steered", id);
}

async function queueing(stage: Stage): Promise<void> {
  const first = await held(stage, "queued");
  const more = [
    await stage.send("queued", "say queuedb 3", { mode: "queue" }),
    await stage.send("queued", "say queuedc 3", { mode: "queue" }),
  ];
  stage.model.release("queued");
  for (const id of [first, ...more]) await stage.ended("queued", id);
}

async function interrupting(stage: Stage): Promise<void> {
  const first = await held(stage, "interrupted");
  const second = await stage.send("interrupted", "say instead 4", { mode: "interrupt" });
  for (const id of [first, second]) await stage.ended("interrupted", id);
  stage.model.release("interrupted");
}

async function stopping(stage: Stage): Promise<void> {
  const first = await held(stage, "stopped");
  await stage.command("CancelTurn", { chat: "stopped" });
  const turn = await stage.ended("stopped", first);
  stage.model.release("stopped");
  await stage.command("RetryTurn", { chat: "stopped", turn });
  await stage.spy().event("TurnCompleted", { chat: "stopped" });
  await stage.command("RetryTurn", { chat: "stopped", turn: "unknown" });
  await stage.command("CancelTurn", { chat: "stopped" });
  const second = await held(stage, "stopped", "stopcli");
  await cli(stage, "stop", "--chat", "stopped");
  await stage.ended("stopped", second);
  stage.model.release("stopcli");
  await cli(stage, "retry", "--chat", "stopped");
}

async function changing(stage: Stage): Promise<void> {
  const path = (id: string): string => `/api/chats/changed/messages/${id}`;
  const early = randomUUID();
  const api = async (method: string, id: string, body?: unknown): Promise<void> => {
    const { status: code } = await stage.system().api(method, path(id), body);
    if (code !== 202) throw new Error(`${method} ${id}: ${code}`);
  };
  await api("PUT", early, { revision: "r1", text: "say edited 3" });
  await stage.system().api("POST", "/api/chats/changed/messages", { id: early, text: "say original 3" });
  await stage.ended("changed", early);
  const late = await held(stage, "changed", "changing");
  await api("PUT", late, { revision: "r1", text: "say changed 3" });
  stage.model.release("changing");
  await stage.ended("changed", late);
  await api("DELETE", early);
  await stage.ask("changed", "say afterwards 3");
  const waiting = await held(stage, "changed", "held");
  const gone = await stage.send("changed", "say gone 3", { mode: "queue" });
  await api("DELETE", gone);
  stage.model.release("held");
  await stage.ended("changed", waiting);
}

async function choosing(stage: Stage): Promise<void> {
  const chat = "models";
  await stage.ask(chat, "say configured 3");
  await stage.command("SelectChatModel", { chat, model: "openai:other" });
  await stage.ask(chat, "say chosen 3");
  await stage.ask(chat, "say once 3", { model: "openai:third" });
  await stage.command("SelectChatModel", { chat, model: "nonsense" });
  await cli(stage, "model", "openai:told", "--chat", chat);
  await stage.ask(chat, "say back 3");
}

async function failing(stage: Stage): Promise<void> {
  const { model } = stage;
  const cases: readonly (readonly [string, readonly Trouble[]])[] = [
    ["shortwait", [status(429, { "retry-after": "1" })]],
    ["longwait", [status(429, { "retry-after": "6" })]],
    ["once500", [status(500)]],
    ["for500", Array.from({ length: 9 }, () => status(500))],
    ["broken", [{ kind: "broken" }]],
    ["garbage", [{ kind: "garbage" }]],
    ["refused", [status(400)]],
    ["nokey", [status(401)]],
  ];
  for (const [tag, troubles] of cases) model.trouble(tag, ...troubles);
  await Promise.all(cases.map(([tag]) => stage.ask(`fail-${tag}`, `say ${tag} 6`)));
  const { turn } = (await stage.spy().event("TurnFailed", { chat: "fail-refused" })).data;
  await stage.command("RetryTurn", { chat: "fail-refused", turn });
  await stage.spy().event("TurnCompleted", { chat: "fail-refused" });
  model.trouble("stoppedwait", status(429, { "retry-after": "50" }));
  const parked = await stage.send("fail-wait", "say stoppedwait 3");
  await stage.spy().event("TurnParked", { chat: "fail-wait" });
  await stage.command("CancelTurn", { chat: "fail-wait" });
  await stage.ended("fail-wait", parked);
}

async function scheduling(stage: Stage): Promise<void> {
  const replyTo = { channel: "web", chat: "tasks" };
  const task = (text: string, inMs: number): Promise<void> =>
    stage.command("ScheduleTask", {
      group: "main",
      due: new Date(Date.now() + inMs).toISOString(),
      text,
      replyTo,
    });
  await task("use time ontime 3", 5_000);
  await task("say past 3", -60_000);
  await task("say far 3", 86_400_000);
  await cli(stage, "tasks", "add", "--in", "10s", "--chat", "tasks", "say bycli 3");
  const far = await until("the far task", async () =>
    (await stage.spy().events()).find((event) => event.type === "TaskScheduled" && event.data.text === "say far 3"),
  );
  if (far.type === "TaskScheduled") await stage.command("CancelTask", { group: "main", task: far.data.task });
  await until("the answers of two tasks", async () => {
    const ends = (await stage.spy().events()).filter(({ type }) => type === "TurnCompleted");
    return ends.filter((event) => event.type === "TurnCompleted" && event.data.replyTo.chat === "tasks").length >= 2;
  });
}

/** What goes on beside one another. */
export const SHAPES: Readonly<Record<string, (stage: Stage) => Promise<void>>> = {
  plain,
  tools,
  steering,
  queueing,
  interrupting,
  stopping,
  changing,
  choosing,
  failing,
  scheduling,
};

async function runnerOf(stage: Stage, chat: string): Promise<string> {
  const claims = (await stage.spy().events()).filter((event) => event.type === "TurnClaimed");
  const claim = claims.findLast(({ data }) => data.chat === chat);
  return claim?.data.runner.split("/")[0] ?? "";
}

async function killInStep(stage: Stage): Promise<void> {
  for (const tag of ["killeda", "killedb"]) {
    const message = await held(stage, "killed", tag);
    if (tag === "killedb") await stage.send("killed", "say joined 3");
    const name = await runnerOf(stage, "killed");
    const pid = await kill(stage.home, name);
    stage.model.release(tag);
    await stage.ended("killed", message);
    await back(stage.home, name, pid);
  }
}

/** A file that cannot be read holds the tool until its runner is killed. */
async function killInTool(stage: Stage): Promise<void> {
  const notes = join(stage.home, "groups", "main", "notes.jsonl");
  await stage.ask("torn-before", "use remember before 3");
  await rename(notes, `${notes}.aside`);
  await run("mkfifo", [notes]);
  const message = await stage.send("torn", "use remember,echo torn 3");
  await stage.spy().event("ToolCalled", { chat: "torn", name: "remember" });
  const name = await runnerOf(stage, "torn");
  const pid = await kill(stage.home, name);
  await rename(`${notes}.aside`, notes);
  await stage.ended("torn", message);
  await back(stage.home, name, pid);
}

async function killOthers(stage: Stage): Promise<void> {
  const first = await held(stage, "routerless");
  const router = await kill(stage.home, "router");
  const more = await stage.send("routerless", "say meanwhile 3");
  await back(stage.home, "router", router);
  stage.model.release("routerless");
  for (const id of [first, more]) await stage.ended("routerless", id);
  await stage.command("ScheduleTask", {
    group: "main",
    due: new Date(Date.now() + 3_000).toISOString(),
    text: "say late 3",
    replyTo: { channel: "web", chat: "latetask" },
  });
  await back(stage.home, "scheduler", await kill(stage.home, "scheduler"));
  await until("the late task's answer", async () =>
    (await stage.spy().events()).some(
      (event) => event.type === "TurnCompleted" && event.data.replyTo.chat === "latetask",
    ),
  );
}

/** Several turns in one runner's hands when it dies, and the broker's death in the middle of their second try. */
async function killInCrowd(stage: Stage): Promise<void> {
  const chats = ["a", "b", "c", "d", "e", "f"].map((one) => `crowd${one}`);
  const messages = await Promise.all(chats.map((chat) => held(stage, chat)));
  const runner = await kill(stage.home, "agent-runner-1");
  await back(stage.home, "agent-runner-1", runner);
  await back(stage.home, "broker", await kill(stage.home, "broker"));
  for (const chat of chats) stage.model.release(chat);
  for (const [index, chat] of chats.entries()) await stage.ended(chat, messages[index] ?? "");
}

async function freeze(stage: Stage): Promise<void> {
  const message = await held(stage, "frozen");
  const { pid } = await rowOf(stage.home, await runnerOf(stage, "frozen"));
  process.kill(pid, "SIGSTOP");
  try {
    await stage.spy().event("TurnClaimed", { chat: "frozen", epoch: 2 });
    stage.model.release("frozen");
    await stage.ended("frozen", message);
  } finally {
    process.kill(pid, "SIGCONT");
  }
  await until("the frozen runner to speak", () =>
    Promise.resolve(stage.spy().attempts.some(({ type, data }) => type === "TurnCompleted" && data["epoch"] === 1)),
  );
}

async function killAll(stage: Stage): Promise<void> {
  stage.model.trouble("overnight", status(429, { "retry-after": "8" }));
  const parked = await stage.send("overnight", "say overnight 3");
  await stage.spy().event("TurnParked", { chat: "overnight" });
  const message = await held(stage, "everything");
  await stage.send("everything", "say rest 3");
  await stage.restart();
  stage.model.release("everything");
  await stage.ended("everything", message);
  await stage.ended("overnight", parked);
  await stage.ask("plain", "say nextday 4");
}

/** What needs the system for itself, one after the other. */
export const FAULTS: Readonly<Record<string, (stage: Stage) => Promise<void>>> = {
  killInStep,
  killInTool,
  killOthers,
  killInCrowd,
  freeze,
  killAll,
};
