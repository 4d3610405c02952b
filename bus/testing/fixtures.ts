/** One valid, realistic event or command per schema version: `schemas/fixtures/<Type>.v<version>.json`. */
import { readdirSync, readFileSync } from "node:fs";
import { isKnownType, type DataOf, type MessageType } from "../../schemas/index.ts";

export interface Fixture {
  readonly type: MessageType;
  readonly version: number;
  readonly subject: string;
  readonly data: DataOf[MessageType];
}

const folder = new URL("../../schemas/fixtures/", import.meta.url);

export function readFixtures(): Fixture[] {
  return readdirSync(folder)
    .toSorted()
    .map((name) => {
      const [, type = "", version = ""] = /^(\w+)\.v(\d+)\.json$/.exec(name) ?? [];
      if (!isKnownType(type)) throw new Error(`schemas/fixtures/${name} is not named <Type>.v<version>.json`);
      const content = JSON.parse(readFileSync(new URL(name, folder), "utf8")) as Pick<Fixture, "subject" | "data">;
      return { type, version: Number(version), ...content };
    });
}
