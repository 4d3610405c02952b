/** Snapshots of a fold: only to make starts quick, deleted at will, refused when they are of another log. */
import { readFile, rename, writeFile } from "node:fs/promises";
import { checkpointAt, checkpointFits, type Checkpoint } from "./checkpoint.ts";
import { hashJson } from "./ids.ts";
import type { Log } from "./log.ts";

interface Snapshot<State> {
  readonly shape: number;
  readonly checkpoint: Checkpoint;
  readonly state: State;
}

export interface SnapshotStore<State> {
  load(log: Log): Promise<{ seq: number; state: State } | undefined>;
  save(log: Log, seq: number, state: State): Promise<void>;
}

/** Keeps plain-JSON state in `path`. Raise `shape` whenever the state's shape changes: older snapshots then count as none. */
export function fileSnapshots<State>(path: string, shape: number): SnapshotStore<State> {
  return {
    async load(log) {
      try {
        const { hash, snapshot } = JSON.parse(await readFile(path, "utf8")) as {
          hash: string;
          snapshot: Snapshot<State>;
        };
        if (snapshot.shape !== shape || hash !== hashJson(snapshot)) return undefined;
        if (!(await checkpointFits(log, snapshot.checkpoint))) return undefined;
        return { seq: snapshot.checkpoint.seq, state: snapshot.state };
      } catch {
        return undefined;
      }
    },
    async save(log, seq, state) {
      const snapshot: Snapshot<State> = { shape, checkpoint: await checkpointAt(log, seq), state };
      // No fsync: a torn file fails its hash and counts as none.
      await writeFile(`${path}.new`, JSON.stringify({ hash: hashJson(snapshot), snapshot }), { mode: 0o600 });
      await rename(`${path}.new`, path);
    },
  };
}
