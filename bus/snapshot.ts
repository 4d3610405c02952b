/** Snapshots of a fold: only to make starts quick, deleted at will, refused when they are of another log. */
import { createHash } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { checkpointAt, checkpointFits, type Checkpoint, type Held } from "./checkpoint.ts";

interface Snapshot<State> {
  readonly shape: number;
  readonly checkpoint: Checkpoint;
  readonly state: State;
}

export interface SnapshotStore<State> {
  load(log: Held): Promise<{ seq: number; state: State } | undefined>;
  save(log: Held, seq: number, state: State): Promise<void>;
}

function hashText(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}

/** Keeps plain-JSON state in `path`. Raise `shape` whenever the state's shape changes: older snapshots then count as none. */
export function fileSnapshots<State>(path: string, shape: number): SnapshotStore<State> {
  return {
    async load(log) {
      try {
        // The hash on a line of its own, over the bytes as they stand: a large state is written and read in one go.
        const [hash = "", text = ""] = (await readFile(path, "utf8")).split("\n", 2);
        if (hash !== hashText(text)) return undefined;
        const snapshot = JSON.parse(text) as Snapshot<State>;
        if (snapshot.shape !== shape) return undefined;
        if (!(await checkpointFits(log, snapshot.checkpoint))) return undefined;
        return { seq: snapshot.checkpoint.seq, state: snapshot.state };
      } catch {
        return undefined;
      }
    },
    async save(log, seq, state) {
      const snapshot: Snapshot<State> = { shape, checkpoint: await checkpointAt(log, seq), state };
      // No fsync: a torn file fails its hash and counts as none.
      const text = JSON.stringify(snapshot);
      await writeFile(`${path}.new`, `${hashText(text)}\n${text}`, { mode: 0o600 });
      await rename(`${path}.new`, path);
    },
  };
}
