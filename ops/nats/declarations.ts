/** All access declarations of this release. A list and no search of folders: the bundles in dist/ have no folders. */
import type { Access } from "../../bus/accounts/access.ts";
import { access as web } from "../../channels/web/access.ts";
import { access as agentRunner } from "../../services/agent-runner/access.ts";
import { access as router } from "../../services/router/access.ts";
import { access as scheduler } from "../../services/scheduler/access.ts";
import { access as stats } from "../../services/stats/access.ts";
import { access as uiProjection } from "../../services/ui-projection/access.ts";
import { access as cli } from "../cli/access.ts";
import { access as supervisor } from "../supervisor/access.ts";

/** A test compares this with the `access.ts` files of the tree. */
export const declarations: readonly Access[] = [
  supervisor,
  router,
  agentRunner,
  scheduler,
  stats,
  uiProjection,
  cli,
  web,
];
