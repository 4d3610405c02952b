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

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

/** By the letter, but for optional members that `ours` has gained: a schema may gain these without a new version. */
function covers(ours: unknown, theirs: unknown, isMap = false): boolean {
  if (!isObject(ours) || !isObject(theirs)) return canonicalJson(ours) === canonicalJson(theirs);
  const names = new Set([...Object.keys(theirs), ...(isMap ? [] : Object.keys(ours))]);
  return [...names].every((name) => covers(ours[name], theirs[name], !isMap && name === "properties"));
}

/** Whether this release reads all that a schema of the same name and version allows; words for people do not count. */
export function readsAll(ours: unknown, theirs: unknown): boolean {
  return covers(withoutNotes(ours), withoutNotes(theirs));
}

/** Schemas of a bundle that this release lacks, and those that allow what this release cannot read. */
export function compareSchemas(schemas: Readonly<Record<string, unknown>>): { unknown: string[]; differing: string[] } {
  const names = Object.keys(schemas);
  const unknown = names.filter((name) => schemaDocument(name) === undefined);
  const differing = names.filter((name) => !unknown.includes(name) && !readsAll(schemaDocument(name), schemas[name]));
  return { unknown, differing };
}
