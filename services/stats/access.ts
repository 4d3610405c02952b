import type { CoreAccess } from "../../bus/accounts/access.ts";

export const access: CoreAccess = {
  type: "core",
  user: "stats",
  publish: ["log.dead.stats.*", "stats.*.stats"],
  subscribe: ["stats.>"],
  serves: ["query.stats.*"],
  reads: true,
};
