import { mkdtempSync } from "node:fs";
import { simulate, INSTALL_KEY } from "../sim/simulation.ts";
import { storedMessage } from "./recorded.ts";
import { buildPlanted } from "./planting.ts";
import { plants } from "./plants.ts";
const logs: any[] = [];
for (const seed of [3, 23, 27, 29]) {
  const s = await simulate(seed, { actions: 60 });
  logs.push({ entries: s.facts.entries, messages: s.facts.entries.map(storedMessage), settings: s.decidedWith, seed });
}
const folder = mkdtempSync("/tmp/plant-");
const base = await buildPlanted(folder);
for (const l of logs) {
  const t = performance.now();
  const r = await base.replayStored(l.messages, l.settings, INSTALL_KEY);
  console.log(
    l.seed,
    r.differences.length,
    r.turns,
    r.compared,
    ((l.entries.length / (performance.now() - t)) * 1000).toFixed(0),
    JSON.stringify(r.differences[0] ?? "").slice(0, 300),
  );
}
for (const plant of plants) {
  const log = logs.find((one) => plant.at(one.entries) !== undefined);
  if (!log) {
    console.log("NOLOG", plant.name);
    continue;
  }
  const want = plant.at(log.entries);
  const t = performance.now();
  const planted = await buildPlanted(folder, plant);
  const b = performance.now() - t;
  const {
    differences: [d],
  } = await planted.replayStored(log.messages, log.settings, INSTALL_KEY);
  const good =
    d !== undefined &&
    d.seq === want!.seq &&
    (plant.path?.test(d.path) ?? true) &&
    (plant.kind === undefined || d.kind === plant.kind);
  console.log(
    good ? "ok " : "BAD",
    plant.name,
    `want ${want!.seq} ${want!.type}`,
    good ? "" : JSON.stringify(d ?? null).slice(0, 500),
    b.toFixed(0),
  );
}
