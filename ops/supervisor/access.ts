import type { CoreAccess } from "../../bus/accounts/access.ts";

/** It also holds the operator's signing key, so a narrower right to read would protect nothing. */
export const access: CoreAccess = {
  type: "core",
  user: "supervisor",
  publish: ["log.process.>", "intake.pause", "stats.*.supervisor"],
  subscribe: [],
  reads: true,
  makesLog: true,
};
