import type { CoreAccess } from "../../bus/accounts/access.ts";

export const access: CoreAccess = {
  type: "core",
  user: "cli",
  publish: ["log.cmd.cli.*", "query.*.*"],
  subscribe: ["live.>", "feed.>"],
  reads: true,
};
