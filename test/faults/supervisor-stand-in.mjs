// A stand-in for a service: says ready or fails as its settings tell, and notes what happens to it in a journal file.
import { appendFileSync } from "node:fs";

const name = process.env["TAFFRAIL_PROCESS"];
const settings = JSON.parse(process.env["TAFFRAIL_SETTINGS"] ?? "{}");
const note = (/** @type {string} */ what) =>
  appendFileSync(settings.journal, `${JSON.stringify({ name, what, pid: process.pid })}\n`);

note("started");
process.on("disconnect", () => process.exit(1));
process.on("SIGTERM", () => {
  note("stopped");
  if (settings.mode !== "stubborn") process.exit(0);
});
process.on("message", () => undefined);
if (settings.mode === "failing") {
  process.send?.({ type: "failed", code: "CONFIG_INVALID", message: "CONFIG_INVALID: it is told to fail", action: "" });
  process.exit(1);
}
setTimeout(() => {
  note("ready");
  process.stdout.write(
    `${JSON.stringify({ level: 30, time: new Date().toISOString(), msg: "here I am", keys: Object.keys(process.env) })}\n`,
  );
  process.send?.({ type: "ready" });
}, settings.delayMs ?? 0);
setInterval(() => undefined, 1_000);
