/**
 * The system with one guard off, for the controls: an invariant that does not notice its guard's absence proves nothing.
 * Each wraps what a process is given; no product code changes.
 */
import { hasCode } from "../../bus/errors.ts";
import type { LogEntry, NewEvent } from "../../bus/event.ts";
import type { Log } from "../../bus/log.ts";
import { parseSubject, type Lane } from "../../bus/subjects.ts";
import type { Row } from "../../services/ui-projection/project.ts";
import type { Sabotage } from "./simulation.ts";

type Append = Log["append"];

/** Appends whatever stands behind the fence, as a server does that is given none. */
function withoutFence(inner: Log): Append {
  return async (lane, expected, event) => {
    for (let last = expected; ;) {
      try {
        return await inner.append(lane, last, event);
      } catch (error) {
        if (!hasCode(error, "BUS_APPEND_CONFLICT") || typeof error.data["lastSeq"] !== "number") throw error;
        last = error.data["lastSeq"];
      }
    }
  };
}

function unfenced(types: readonly string[]): Sabotage {
  return {
    log: (inner) => {
      const careless = withoutFence(inner);
      return {
        ...inner,
        append: (lane, expected, event) =>
          types.includes(event.type) ? careless(lane, expected, event) : inner.append(lane, expected, event),
      };
    },
  };
}

/** Fences `types` by the `run` lanes of the turn only, at what this process has seen of them. */
function fencedByRunOnly(types: readonly string[]): Sabotage {
  return {
    log: (inner) => {
      const runSeqs = new Map<string, number>();
      const see = (entry: Pick<LogEntry, "seq" | "subject">): void => {
        const place = parseSubject(entry.subject);
        if (place?.type !== "turn" || (place.lane !== "step" && place.lane !== "out")) return;
        runSeqs.set(place.key.turn, Math.max(entry.seq, runSeqs.get(place.key.turn) ?? 0));
      };
      const append: Append = async (lane: Lane, expected: number, event: NewEvent) => {
        const place = parseSubject(lane.subject);
        const weak = place?.type === "turn" && types.includes(event.type);
        const used = weak ? { subject: lane.subject, fence: lane.fence.replace(/>$/, "run.>") } : lane;
        const at = weak ? (runSeqs.get(place.key.turn) ?? 0) : expected;
        const ack = await inner.append(used, at, event);
        see({ seq: ack.seq, subject: lane.subject });
        return ack;
      };
      const fetch: Log["fetch"] = async (options) => {
        const entries = await inner.fetch(options);
        for (const entry of entries) see(entry);
        return entries;
      };
      return { ...inner, append, fetch };
    },
  };
}

const ENDS = ["TurnCompleted", "TurnFailed", "TurnCancelled"];

export const saboteurs = {
  "TurnRequested has no fence": unfenced(["TurnRequested"]),
  "signals have no fence": unfenced(["Steered", "CancelRequested"]),
  "a claim has no fence": unfenced(["TurnClaimed"]),
  "steps have no fence": unfenced(["ModelStepCompleted", "ToolCalled", "ToolCompleted"]),
  "a fire has no fence": unfenced(["TaskFired"]),
  "the end is fenced by the run lanes only": fencedByRunOnly(ENDS),
  "a tool is given another call key each time": {
    tools: (tools, random) =>
      tools.map((tool) => ({
        ...tool,
        run: (args, context) => tool.run(args, { ...context, callKey: random.token(8) }),
      })),
  },
  "an at-most-once tool calls itself idempotent": {
    tools: (tools) => tools.map((tool) => ({ ...tool, effect: "idempotent" })),
  },
  "the projection forgets what changed a row last": {
    readModel: (model) => ({
      ...model,
      async rows(keys) {
        const rows = await model.rows(keys);
        const forget = (row: Row): Row => ({ ...row, view: { ...row.view, changedSeq: 0 } }) as Row;
        return new Map([...rows].map(([key, row]) => [key, forget(row)]));
      },
    }),
  },
} satisfies Record<string, Sabotage>;
