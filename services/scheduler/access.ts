import type { CoreAccess } from "../../bus/accounts/access.ts";

export const access: CoreAccess = {
  type: "core",
  user: "scheduler",
  publish: ["log.task.>", "log.dead.scheduler.*", "stats.*.scheduler"],
  subscribe: [],
  reads: true,
};
