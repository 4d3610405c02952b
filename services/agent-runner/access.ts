import type { CoreAccess } from "../../bus/accounts/access.ts";

/** Runners share one user; each reports under its own name. More than 16 on one host would only wait for its CPUs. */
const names = ["agent-runner", ...Array.from({ length: 16 }, (_, index) => `agent-runner-${index + 1}`)];

export const access: CoreAccess = {
  type: "core",
  user: "agent-runner",
  publish: [
    "log.turn.*.*.*.run.>",
    ...names.map((name) => `log.dead.${name}.*`),
    "live.>",
    "lease.runner",
    ...names.map((name) => `stats.*.${name}`),
  ],
  subscribe: ["lease.runner"],
  serves: ["query.agent-runner.*"],
  reads: true,
  wakeQueue: true,
};
