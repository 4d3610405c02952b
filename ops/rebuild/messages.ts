/** What passes between the command `taffrail rebuild` and its worker. */
import type { ErrorCode } from "../../bus/errors.ts";
import type { RebuildOutcome } from "../../bus/rebuild.ts";

export const VIEWS = ["views", "router", "scheduler"] as const;
export type ViewName = (typeof VIEWS)[number];

export interface RebuildOrder {
  readonly home: string;
  readonly views: readonly ViewName[];
  readonly check: boolean;
}

export type RebuildMessage =
  | { readonly type: "progress"; readonly view: ViewName; readonly seq: number; readonly toSeq: number }
  | { readonly type: "outcome"; readonly view: ViewName; readonly ms: number; readonly outcome: RebuildOutcome }
  | {
      readonly type: "failed";
      /** Absent: a defect, `message` is its stack. */
      readonly code?: ErrorCode;
      readonly message: string;
    };
