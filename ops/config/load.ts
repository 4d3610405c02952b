/** Reads and checks the configuration; the JSON Schema in schemas/config is its only source. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv2020, type ErrorObject } from "ajv/dist/2020.js";
import { parseDocument } from "yaml";
import { TaffrailError } from "../../bus/errors.ts";
import schema from "../../schemas/config/taffrail.v1.json" with { type: "json" };
import { CONFIG_ERROR, CONFIG_FILE, deepFreeze, type Config, type ConfigProblem } from "./config.ts";
import { applyEnvironment } from "./environment.ts";
import { resolveHome } from "./home.ts";
import { suggestion } from "./nearest.ts";

/** A config file is a page of text; a longer one is a wrong file. */
const MAX_FILE_BYTES = 1_048_576;

interface SchemaNode {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly items?: SchemaNode;
  readonly enum?: readonly unknown[];
}

/**
 * The checked, frozen configuration.
 * @throws CONFIG_INVALID; `data.problems` lists all problems at once (ConfigProblem[]).
 */
export function loadConfig(env: NodeJS.ProcessEnv, options: { home?: string | undefined } = {}): Config {
  const home = resolveHome(env, options.home);
  const { document, problems } = readDocument(join(home, CONFIG_FILE));
  problems.push(...applyEnvironment(document, env));
  problems.push(...checkDocument(document));
  if (problems.length > 0) {
    const count = problems.length === 1 ? "a problem" : `${problems.length} problems`;
    throw new TaffrailError(CONFIG_ERROR, `the configuration has ${count}`, { problems });
  }
  return deepFreeze({ home, ...(document as unknown as Omit<Config, "home">) });
}

function readDocument(path: string): { document: Record<string, unknown>; problems: ConfigProblem[] } {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    return {
      document: {},
      problems: missing ? [] : [{ where: path, what: `cannot be read: ${(error as Error).message}` }],
    };
  }
  if (text.length > MAX_FILE_BYTES)
    return { document: {}, problems: [{ where: path, what: "is longer than 1 MiB: not a config file" }] };
  const parsed = parseDocument(text, { prettyErrors: true });
  const wrong = [...parsed.errors, ...parsed.warnings];
  if (wrong.length > 0)
    return { document: {}, problems: wrong.map((one) => ({ where: CONFIG_FILE, what: firstLine(one.message) })) };
  // Aliases are bounded: a small file must not become gigabytes.
  const value = parsed.toJS({ maxAliasCount: 50 }) as unknown;
  if (value === null || value === undefined) return { document: {}, problems: [] };
  if (typeof value !== "object" || Array.isArray(value))
    return {
      document: {},
      problems: [{ where: CONFIG_FILE, what: "must hold keys and values, such as `port: 7420`" }],
    };
  return { document: dropEmptySections(value as Record<string, unknown>), problems: [] };
}

/** `model:` with all its lines commented out is a section with no keys, not an error. */
function dropEmptySections(document: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(document).filter(([, value]) => value !== null));
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0] ?? text;
}

function checkDocument(document: Record<string, unknown>): ConfigProblem[] {
  const ajv = new Ajv2020({ allErrors: true, useDefaults: true, strict: true, verbose: true });
  const validate = ajv.compile(schema);
  if (validate(document)) return [];
  const seen = new Set<string>();
  return (validate.errors ?? []).map(toProblem).filter(({ where, what }) => {
    const line = `${where} ${what}`;
    return seen.has(line) ? false : seen.add(line) !== undefined;
  });
}

function toProblem(error: ErrorObject): ConfigProblem {
  const where = error.instancePath.slice(1).replaceAll("/", ".");
  const node = error.parentSchema as SchemaNode;
  if (error.keyword === "additionalProperties") {
    const key = String(error.params["additionalProperty"]);
    const names = Object.keys(node.properties ?? {});
    return { where: where === "" ? key : `${where}.${key}`, what: `is not known${suggestion(key, names)}` };
  }
  return { where, what: `${shown(where, error.data)}${explain(error, node)}` };
}

/** The wrong value, never that of a key. */
function shown(where: string, value: unknown): string {
  if (/apikey/i.test(where)) return "";
  const json = JSON.stringify(value) ?? "";
  return `${json.length > 60 ? `${json.slice(0, 60)}…` : json} `;
}

function explain(error: ErrorObject, node: SchemaNode): string {
  switch (error.keyword) {
    case "enum":
      return `is none of: ${(node.enum ?? []).join(", ")}`;
    case "pattern":
      return `is not ${node.description ?? "of the right form"}`;
    case "type":
      return `is not ${article(String(error.params["type"]))}`;
    case "minimum":
      return `is less than ${String(error.params["limit"])}`;
    case "maximum":
      return `is more than ${String(error.params["limit"])}`;
    default:
      return error.message ?? "does not fit";
  }
}

function article(type: string): string {
  const words: Record<string, string> = {
    integer: "a whole number",
    object: "a section with keys",
    string: "a text",
    array: "a list",
  };
  return words[type] ?? `a ${type}`;
}
