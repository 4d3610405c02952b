/** The built-in tools of this release: time, echo, remember, recall. */
import echoSpec from "../../../schemas/tools/echo.json" with { type: "json" };
import recallSpec from "../../../schemas/tools/recall.json" with { type: "json" };
import rememberSpec from "../../../schemas/tools/remember.json" with { type: "json" };
import timeSpec from "../../../schemas/tools/time.json" with { type: "json" };
import { TaffrailError } from "../../../bus/errors.ts";
import type { Notes } from "./notes.ts";
import type { Tool, ToolEffect } from "./tool.ts";

interface SpecFile {
  name: string;
  description: string;
  effect: string;
  parameters: Record<string, unknown>;
}

function tool(file: SpecFile, run: Tool["run"]): Tool {
  const { name, description, parameters } = file;
  return { spec: { name, description, parameters }, effect: file.effect as ToolEffect, run };
}

function text(args: Readonly<Record<string, unknown>>): string {
  const value = args["text"];
  if (typeof value !== "string" || value === "" || value.length > 4096)
    throw new TaffrailError("TOOL_FAILED", "text must be a string of 1 to 4096 characters");
  return value;
}

export function builtInTools(notes: Notes): Tool[] {
  return [
    tool(timeSpec, (args, { nowMs }) => {
      const now = new Date(nowMs);
      const zone = args["zone"];
      if (typeof zone !== "string") return Promise.resolve(now.toISOString());
      try {
        const local = now.toLocaleString("sv-SE", { timeZone: zone });
        return Promise.resolve(`${now.toISOString()} (${local} in ${zone})`);
      } catch {
        return Promise.reject(new TaffrailError("TOOL_FAILED", `there is no time zone ${zone.slice(0, 64)}`));
      }
    }),
    tool(echoSpec, (args) => Promise.resolve(text(args))),
    tool(rememberSpec, async (args, { group, callKey, nowMs }) => {
      const note = { key: callKey, at: new Date(nowMs).toISOString(), text: text(args) };
      await notes.add(group, note);
      return `noted: ${note.text}`;
    }),
    tool(recallSpec, async (_args, { group }) => {
      const all = await notes.list(group);
      // The newest fit into a result; the whole file is the owner's to read.
      return all.length === 0
        ? "no notes yet"
        : all
            .slice(-50)
            .map((note) => `- ${note.text}`)
            .join("\n");
    }),
  ];
}
