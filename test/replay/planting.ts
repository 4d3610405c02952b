/** Builds the replay with a change planted into one of its files. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";
import { serverOptions } from "../../ops/setup/bundle.mjs";
import type { Plant } from "./plant-events.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

export type Planted = typeof import("./planted-entry.ts");

type Change = Pick<Plant, "file" | "find" | "replace">;

function changed(changes: readonly Change[]): Map<string, string> {
  return new Map(
    changes.map(({ file, find, replace }) => {
      const path = join(root, file);
      const source = readFileSync(path, "utf8");
      if (source.split(find).length !== 2) throw new Error(`"${find}" does not stand in ${file} exactly once`);
      return [path, source.replace(find, () => replace)];
    }),
  );
}

/** The replay of this release with `changes` in it, one per file. `folder` is for the built file. */
export async function buildPlanted(folder: string, ...changes: readonly Change[]): Promise<Planted> {
  const sources = changed(changes);
  const entryPoints = [{ in: "test/replay/planted-entry.ts", out: "replay" }];
  const { outputFiles } = await build({
    ...serverOptions({ root, outFolder: folder, entryPoints }),
    write: false,
    plugins: [
      {
        name: "plant",
        setup(plugin) {
          plugin.onLoad({ filter: /\.ts$/ }, ({ path }) => {
            const contents = sources.get(path);
            return contents === undefined ? undefined : { contents, loader: "ts" };
          });
        },
      },
    ],
  });
  const file = join(folder, `replay-${process.hrtime.bigint()}.mjs`);
  writeFileSync(file, outputFiles[0]?.contents ?? new Uint8Array());
  try {
    return (await import(pathToFileURL(file).href)) as Planted;
  } finally {
    rmSync(file);
  }
}
