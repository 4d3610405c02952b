import { ownDirectGet, type ChannelAccess } from "../../bus/accounts/access.ts";

/** No consumer: the reader's cursor is the delivery, and what the page shows comes from queries and feeds. */
export const access: ChannelAccess = {
  type: "channel",
  channel: "web",
  services: [
    "log.in.web.>",
    "log.cmd.web.*",
    "query.ui-projection.*",
    "query.stats.*",
    "query.agent-runner.*",
    "stats.*.web",
    ownDirectGet("in", "web"),
  ],
  streams: ["live.web.>", "feed.>", "intake.pause"],
};
