/** The variables that win over taffrail.yaml. Pure: from an environment to a part of the config and its problems. */
import type { ConfigProblem } from "./config.ts";
import { nearestName } from "./nearest.ts";

const MODEL_FORM = /^(demo(:[!-~]*)?|(anthropic|openai|ollama):[!-~]+)$/;

interface Variable {
  readonly path: readonly [string] | readonly [string, string];
  /** The value, or what is wrong with it. A key's value is never repeated. */
  read(text: string): { value: unknown } | { wrong: string };
}

const variables: Readonly<Record<string, Variable>> = {
  TAFFRAIL_PORT: {
    path: ["port"],
    read: (given) =>
      /^\d{1,5}$/.test(given.trim()) && Number(given) <= 65_535
        ? { value: Number(given) }
        : { wrong: `${quoted(given)} is not a port; write a whole number from 0 to 65535` },
  },
  TAFFRAIL_MODEL: {
    path: ["model", "use"],
    read: (given) =>
      MODEL_FORM.test(given.trim()) && given.length <= 220
        ? { value: given.trim() }
        : { wrong: `${quoted(given)} is not a model; write demo, anthropic:<id>, openai:<id> or ollama:<id>` },
  },
  TAFFRAIL_MODEL_BASE_URL: {
    path: ["model", "baseUrl"],
    read: (given) =>
      /^https?:\/\/[^\s?#@]+$/.test(given.trim())
        ? { value: given.trim() }
        : { wrong: "is not an http:// or https:// address without user, ? or #" },
  },
  TAFFRAIL_MODEL_API_KEY: {
    path: ["model", "apiKey"],
    read: (given) =>
      /^[!-~]+$/.test(given.trim()) ? { value: given.trim() } : { wrong: "holds a character that no key has" },
  },
};

/** Read elsewhere; here so that a typing error of them is noticed. */
const OTHERS = ["TAFFRAIL_HOME", "TAFFRAIL_NATS_SERVER"];

function quoted(given: string): string {
  return JSON.stringify(given.length > 60 ? `${given.slice(0, 60)}…` : given);
}

/** Lays the environment over `document` (changed in place) and returns the problems. Empty variables count as not set. */
export function applyEnvironment(document: Record<string, unknown>, env: NodeJS.ProcessEnv): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  for (const [name, given] of Object.entries(env)) {
    if (!name.startsWith("TAFFRAIL_") || given === undefined || given.trim() === "") continue;
    const variable = Object.hasOwn(variables, name) ? variables[name] : undefined;
    if (variable === undefined) {
      const near = OTHERS.includes(name) ? undefined : nearestName(name, [...Object.keys(variables), ...OTHERS]);
      // Only a near miss: other tools may have variables of their own.
      if (near !== undefined && near !== name && Math.abs(near.length - name.length) <= 2 && isTypo(name, near))
        problems.push({ where: name, what: `is not a variable of Taffrail; did you mean "${near}"?` });
      continue;
    }
    const result = variable.read(given);
    if ("wrong" in result) problems.push({ where: name, what: result.wrong });
    else place(document, variable.path, result.value);
  }
  return problems;
}

function isTypo(name: string, near: string): boolean {
  return nearestName(name.slice("TAFFRAIL_".length), [near.slice("TAFFRAIL_".length)]) !== undefined;
}

function place(document: Record<string, unknown>, [first, second]: Variable["path"], value: unknown): void {
  if (second === undefined) {
    document[first] = value;
    return;
  }
  const inner = document[first];
  // A section that is no mapping stays: the schema names it.
  if (inner === undefined || inner === null) document[first] = { [second]: value };
  else if (typeof inner === "object" && !Array.isArray(inner)) (inner as Record<string, unknown>)[second] = value;
}
