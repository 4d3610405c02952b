/**
 * Generates types, validators and the catalogue from the JSON Schema files, which are the only source.
 * `npm run generate` writes `schemas/generated/`; with `--check` it writes nothing and fails when a file there differs.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Ajv2020 } from "ajv/dist/2020.js";
import standalone from "ajv/dist/standalone/index.js";
import { compile } from "json-schema-to-typescript";

const here = dirname(fileURLToPath(import.meta.url));

interface SchemaFile {
  type: string;
  version: number;
  schema: Record<string, unknown>;
}

function readSchemas(folder: string): SchemaFile[] {
  return readdirSync(join(here, folder))
    .filter((name) => name.endsWith(".json"))
    .toSorted()
    .map((name) => {
      const match = /^([A-Z][A-Za-z]+)\.v(\d+)\.json$/.exec(name);
      if (match?.[1] === undefined) throw new Error(`${folder}/${name} is not named <Type>.v<version>.json`);
      return {
        type: match[1],
        version: Number(match[2]),
        schema: JSON.parse(readFileSync(join(here, folder, name), "utf8")) as Record<string, unknown>,
      };
    });
}

/** Code points of a text, counted without a copy: each event that is read has some twenty texts with a bound. */
const CODE_POINTS =
  "(text) => { let count = text.length; " +
  "for (let at = 0; at < text.length; at++) if (text.codePointAt(at) > 0xffff) { count--; at++; } return count; }";

function compileValidators(schemas: SchemaFile[]): string {
  const ajv = new Ajv2020({
    code: { source: true, esm: true },
    allErrors: false,
    strict: true,
    allowUnionTypes: true,
    keywords: ["x-kind", "x-lane", "x-input", "x-added"],
  });
  for (const { schema } of schemas) ajv.addSchema(schema);
  const names = Object.fromEntries(schemas.map(({ type, version, schema }) => [`${type}_${version}`, schema["$id"]]));
  const code = standalone.default(ajv, names as Record<string, string>);
  // Ajv's standalone ESM output still calls require for its run-time helpers; only ucs2length is needed by our schemas.
  return code.replaceAll(
    /const (\w+) = require\("ajv\/dist\/runtime\/ucs2length"\)\.default;/g,
    `const $1 = ${CODE_POINTS};`,
  );
}

/**
 * Paths such as `lastStep.durationMs` of the members marked by `keyword`. `x-input`: what a decision holds but does not
 * decide, readings that a replay is given. `x-added`: decided, but not by the first release of this version.
 */
function markedPaths(
  keyword: "x-input" | "x-added",
  schema: Record<string, unknown>,
  path: readonly string[] = [],
): string[] {
  if (schema[keyword] === true) return [path.join(".")];
  const properties = (schema["properties"] ?? {}) as Record<string, Record<string, unknown>>;
  return Object.entries(properties).flatMap(([name, member]) => markedPaths(keyword, member, [...path, name]));
}

async function generate(): Promise<Record<string, string>> {
  const events = readSchemas("events");
  const commands = readSchemas("commands");
  const all = [...events, ...commands];
  const banner = "// Generated from the JSON Schema files by `npm run generate`. Do not edit.\n";
  let types = banner;
  for (const { type, version, schema } of all) {
    const named = { ...schema, title: `${type}V${version}` };
    types += await compile(named, `${type}V${version}`, {
      bannerComment: "",
      additionalProperties: false,
      maxItems: -1,
    });
  }
  const newest = new Map(all.map(({ type, version }) => [type, version]));
  types += "\n/** Newest data shape of each event and command type. */\nexport interface DataOf {\n";
  for (const [type, version] of newest) types += `  ${type}: ${type}V${version};\n`;
  types += "}\n";
  let catalogue = `${banner}export const catalogue = {\n`;
  for (const [type, version] of newest) {
    const { schema } = all.find((file) => file.type === type && file.version === version)!;
    const role = commands.some((file) => file.type === type) ? "command" : "event";
    const inputs = JSON.stringify(markedPaths("x-input", schema));
    const added = JSON.stringify(markedPaths("x-added", schema));
    catalogue += `  ${type}: { role: "${role}", kind: "${String(schema["x-kind"])}", lane: "${String(schema["x-lane"])}", version: ${version}, inputs: ${inputs}, added: ${added} },\n`;
  }
  catalogue += "} as const;\n";
  const documents = Object.fromEntries(all.map(({ type, version, schema }) => [`${type}:${version}`, schema]));
  let declarations = `${banner}interface Validator {\n  (data: unknown): boolean;\n  errors?: { instancePath: string; message?: string; params: Record<string, unknown> }[] | null;\n}\n`;
  for (const { type, version } of all) declarations += `export const ${type}_${version}: Validator;\n`;
  return {
    "types.ts": types,
    "catalogue.ts": catalogue,
    "documents.ts": `${banner}export const documents: Readonly<Record<string, unknown>> = ${JSON.stringify(documents)};\n`,
    "validators.js": `// @ts-nocheck\n${banner}${compileValidators(all)}\n`,
    "validators.d.ts": declarations,
  };
}

const files = await generate();
const target = join(here, "generated");
mkdirSync(target, { recursive: true });
const check = process.argv.includes("--check");
let differing = 0;
for (const [name, text] of Object.entries(files)) {
  const path = join(target, name);
  if (!check) {
    writeFileSync(path, text);
    continue;
  }
  const present = ((): string => {
    try {
      return readFileSync(path, "utf8");
    } catch {
      return "";
    }
  })();
  if (present !== text) {
    differing++;
    console.error(`schemas/generated/${name} does not match the schemas: run npm run generate`);
  }
}
process.exitCode = differing > 0 ? 1 : 0;
