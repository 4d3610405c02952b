/** The public door of the schemas: types, catalogue and validation of every event and command. */
import { catalogue } from "./generated/catalogue.ts";
import type { DataOf } from "./generated/types.ts";
import * as validators from "./generated/validators.js";

export { catalogue };
export type { DataOf };
export type MessageType = keyof DataOf;

type Validator = (typeof validators)[keyof typeof validators];

/** A module's namespace is slow to ask by a made-up name, and every event asks. */
const validatorOf = new Map<string, Validator>(Object.entries(validators));

/** True when `type` names an event or command this release knows. */
export function isKnownType(type: string): type is MessageType {
  return Object.hasOwn(catalogue, type);
}

/**
 * Checks `data` against the schema of `type` in `version`.
 * @returns undefined when it fits, else one sentence naming the first place that does not.
 */
export function schemaProblem(type: string, version: number, data: unknown): string | undefined {
  const name = `${type}_${version}`;
  const validate = validatorOf.get(name);
  if (validate === undefined) return `no schema for ${type} version ${version}`;
  if (validate(data)) return undefined;
  const first = validate.errors?.[0];
  const where = first?.instancePath ? first.instancePath : "the data";
  const extra = first?.params["additionalProperty"];
  return `${where} ${first?.message ?? "does not fit"}${typeof extra === "string" ? ` (${extra})` : ""}`;
}
