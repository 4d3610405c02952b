import type { CoreAccess } from "../../bus/accounts/access.ts";

export const access: CoreAccess = {
  type: "core",
  user: "router",
  publish: [
    "log.turn.*.*.*.wake",
    "log.turn.*.*.*.signal",
    "log.chat.>",
    "log.group.>",
    "log.dead.router.*",
    "stats.*.router",
  ],
  subscribe: [],
  reads: true,
};
