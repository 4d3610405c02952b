import type { CoreAccess } from "../../bus/accounts/access.ts";

export const access: CoreAccess = {
  type: "core",
  user: "ui-projection",
  publish: ["log.dead.ui-projection.*", "feed.>", "stats.*.ui-projection"],
  subscribe: [],
  serves: ["query.ui-projection.*"],
  reads: true,
};
