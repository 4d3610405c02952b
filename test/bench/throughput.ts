/**
 * 50 chats of 5 messages, each its next after the answer: appends a second against the bare pipeline, in alternating rounds
 * of the same minute, and the CPU of all processes for one message of the same run.
 */
import { availableParallelism } from "node:os";
import { startBarePipeline, templatesOf, type BarePipeline } from "./bare-pipeline.ts";
import { figure, median, type ScenarioResult } from "./figures.ts";
import { converse, openPages } from "./pages.ts";
import { cpuMs, cpuMsOf, machineBusyMs } from "./procfs.ts";
import { startProduct, type Product } from "./product.ts";

export interface ThroughputOptions {
  readonly chats: number;
  readonly perChat: number;
  readonly rounds: number;
  /** Rounds of both before the first that counts: compilers and caches get warm. */
  readonly warmUp: number;
}

interface ProductRound {
  readonly appendsPerSecond: number;
  readonly appendsPerTurn: number;
  readonly cpuMsPerMessage: number;
  readonly cpuMsByProcess: ReadonlyMap<string, number>;
  readonly firstTokenMs: number;
  /** Part of the CPUs that neither Taffrail nor this program used. */
  readonly othersPercent: number;
}

async function productRound(product: Product, options: ThroughputOptions, round: number): Promise<ProductRound> {
  const chats = Array.from({ length: options.chats }, (_, index) => `round-${round}-${index}`);
  const pages = await openPages(product.system, chats);
  try {
    const messages = options.chats * options.perChat;
    const seqBefore = await product.lastSeq();
    const before = new Map([...product.pids].map(([name, pid]) => [name, cpuMs(pid)]));
    const ownBefore = cpuMs(process.pid);
    const busyBefore = machineBusyMs();
    const startedMs = performance.now();
    const answers = await converse(pages, chats, options.perChat);
    const ms = performance.now() - startedMs;
    const byProcess = new Map([...product.pids].map(([name, pid]) => [name, cpuMs(pid) - (before.get(name) ?? 0)]));
    const cpu = [...byProcess.values()].reduce((sum, one) => sum + one, 0);
    const others = machineBusyMs() - busyBefore - cpu - (cpuMs(process.pid) - ownBefore);
    const appends = (await product.lastSeq()) - seqBefore;
    return {
      appendsPerSecond: (appends * 1000) / ms,
      appendsPerTurn: appends / messages,
      cpuMsPerMessage: cpu / messages,
      cpuMsByProcess: new Map([...byProcess].map(([name, one]) => [name, one / messages])),
      firstTokenMs: median(answers.map(({ firstTokenMs }) => firstTokenMs)),
      othersPercent: Math.max(0, (others / ms / availableParallelism()) * 100),
    };
  } finally {
    pages.close();
  }
}

interface BareFigures {
  readonly appendsPerSecond: number;
  readonly cpuMsPerMessage: number;
  readonly firstTokenMs: number;
}

async function bareRound(bare: BarePipeline, options: ThroughputOptions, round: number): Promise<BareFigures> {
  const seqBefore = await bare.lastSeq();
  const cpuBefore = cpuMsOf(bare.pids);
  const { ms, firstTokensMs } = await bare.run({ round, chats: options.chats, perChat: options.perChat });
  const cpuMsPerMessage = (cpuMsOf(bare.pids) - cpuBefore) / (options.chats * options.perChat);
  const appends = (await bare.lastSeq()) - seqBefore;
  return { appendsPerSecond: (appends * 1000) / ms, cpuMsPerMessage, firstTokenMs: median(firstTokensMs) };
}

/** The projection writes on after the last answer was seen; the next round must not pay for it. */
async function settled(product: Product): Promise<void> {
  const limitMs = performance.now() + 5_000;
  let before = -1;
  for (;;) {
    const now = cpuMsOf(product.pids.values());
    if (now - before <= 20 || performance.now() > limitMs) return;
    before = now;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

export async function throughput(options: ThroughputOptions): Promise<ScenarioResult> {
  const product = await startProduct();
  let bare: BarePipeline | undefined;
  try {
    const seqBefore = await product.lastSeq();
    const pages = await openPages(product.system, ["template"]);
    await pages.ask("template", "hello");
    pages.close();
    const seqs = Array.from({ length: (await product.lastSeq()) - seqBefore }, (_, index) => seqBefore + 1 + index);
    bare = await startBarePipeline(await templatesOf(product.system, seqs));
    const own: ProductRound[] = [];
    const bareRounds: BareFigures[] = [];
    for (let round = -options.warmUp; round < options.rounds; round++) {
      const ours = await productRound(product, options, round);
      await settled(product);
      const theirs = await bareRound(bare, options, round);
      if (round < 0) continue;
      own.push(ours);
      bareRounds.push(theirs);
    }
    const ratios = own.map(
      (ours, round) => ours.appendsPerSecond / (bareRounds[round]?.appendsPerSecond ?? Number.NaN),
    );
    const names = [...product.pids.keys()];
    return {
      scenario: "throughput",
      figures: [
        figure("appends/s over bare pipeline", "x", ratios, { atLeast: 0.5 }),
        figure(
          "appends/s",
          "1/s",
          own.map((one) => one.appendsPerSecond),
        ),
        figure(
          "appends/s, bare pipeline",
          "1/s",
          bareRounds.map((one) => one.appendsPerSecond),
        ),
        figure(
          "appends per turn",
          "",
          own.map((one) => one.appendsPerTurn),
        ),
        figure(
          "CPU per message, all processes",
          "ms",
          own.map((one) => one.cpuMsPerMessage),
          { atMost: 8 },
        ),
        figure(
          "CPU per message, bare pipeline",
          "ms",
          bareRounds.map((one) => one.cpuMsPerMessage),
        ),
        ...names.map((name) =>
          figure(
            `CPU per message, ${name}`,
            "ms",
            own.map((one) => one.cpuMsByProcess.get(name) ?? 0),
          ),
        ),
        figure(
          "first token under this load",
          "ms",
          own.map((one) => one.firstTokenMs),
        ),
        figure(
          "the same, bare pipeline",
          "ms",
          bareRounds.map((one) => one.firstTokenMs),
        ),
        figure(
          "CPU used by others meanwhile",
          "% of all",
          own.map((one) => one.othersPercent),
        ),
      ],
      notes: [
        `${options.chats} chats x ${options.perChat} messages; rounds alternate with the bare pipeline's: its own broker ` +
          "of the same configuration, one small process for each of web, router, runner, projection, scheduler, stats.",
      ],
    };
  } finally {
    await bare?.stop();
    await product.stop();
  }
}
