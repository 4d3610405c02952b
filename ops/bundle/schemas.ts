/** The JSON Schema documents of this release, and whether those of a bundle say the same. Pure. */
import { canonicalJson } from "../../bus/ids.ts";
import { documents } from "../../schemas/generated/documents.ts";

/** Words for people; like our own marks (`x-…`) they may change without a new version: what is accepted stays. */
const NOTES: readonly string[] = ["title", "description", "$comment", "examples"];
/** Members that hold schemas by name, so that a name may be any word. */
const MAPS: readonly string[] = ["properties", "patternProperties", "$defs"];

/** The schema of `<Type>:<version>`, undefined when this release has none. */
export function schemaDocument(name: string): unknown {
  return Object.hasOwn(documents, name) ? documents[name] : undefined;
}

function withoutNotes(value: unknown, isMap = false): unknown {
  if (Array.isArray(value)) return value.map((one) => withoutNotes(one));
  if (value === null || typeof value !== "object") return value;
  const members = Object.entries(value).filter(([key]) => isMap || !(NOTES.includes(key) || key.startsWith("x-")));
  return Object.fromEntries(members.map(([key, member]) => [key, withoutNotes(member, !isMap && MAPS.includes(key))]));
}

/** Whether two schemas accept the same by the letter; words for people do not count. */
export function sameSchema(a: unknown, b: unknown): boolean {
  return canonicalJson(withoutNotes(a)) === canonicalJson(withoutNotes(b));
}

/** Schemas of a bundle that this release lacks, and those that it has under another content. */
export function compareSchemas(schemas: Readonly<Record<string, unknown>>): { unknown: string[]; differing: string[] } {
  const names = Object.keys(schemas);
  const unknown = names.filter((name) => schemaDocument(name) === undefined);
  const differing = names.filter((name) => !unknown.includes(name) && !sameSchema(schemas[name], schemaDocument(name)));
  return { unknown, differing };
}
