/** Import direction, purity, size and layout: the rules of ARCHITECTURE.md that a reader must be able to rely on. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const LAYERS = ["schemas", "bus", "services", "channels", "ui", "ops", "test"];
const MAX_LINES = 500;

interface SourceFile {
  readonly path: string;
  readonly text: string;
  /** Relative imports, resolved from the root, with whether they are types only. */
  readonly imports: readonly { readonly target: string; readonly typeOnly: boolean; readonly bare: boolean }[];
}

function importsOf(path: string, text: string): SourceFile["imports"] {
  const found = text.matchAll(/^\s*(?:import|export)\s+(type\s)?(?:[^"';]*?from\s+)?["']([^"']+)["']/gm);
  return [...found].map((match) => {
    const target = match[2] ?? "";
    const bare = !target.startsWith(".");
    return {
      target: bare ? target : relative(root, join(root, dirname(path), target)),
      typeOnly: match[1] !== undefined,
      bare,
    };
  });
}

function sources(): SourceFile[] {
  const walk = (folder: string): string[] =>
    readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return entry.name === "generated" ? [] : walk(path);
      return /\.(ts|tsx|mjs)$/.test(entry.name) ? [path] : [];
    });
  return LAYERS.filter((layer) => existsSync(join(root, layer)))
    .flatMap(walk)
    .map((path) => {
      const text = readFileSync(join(root, path), "utf8");
      return { path, text, imports: importsOf(path, text) };
    });
}

/** Folders a product file may import from; declarations (`access.ts`) may be read by ops. */
function allowed(path: string, target: string): boolean {
  const [layer = "", part = ""] = path.split("/");
  const [otherLayer = "", otherPart = ""] = target.split("/");
  const own = layer === otherLayer && (layer !== "services" && layer !== "channels" ? true : part === otherPart);
  if (own || target === "package.json") return true;
  if (otherLayer === "schemas") return true;
  if (otherLayer === "bus") return ["services", "channels", "ops"].includes(layer);
  if (layer === "channels" && /^channels\/[a-z-]+\.ts$/.test(target)) return true;
  return layer === "ops" && /^(services|channels)\/[a-z-]+\/(access|lines|replay|rebuild)\.ts$/.test(target);
}

const files = sources();
const product = files.filter(({ path }) => !path.startsWith("test/") && !/\.test\.tsx?$/.test(path));

function breaches(list: readonly SourceFile[]): string[] {
  return list.flatMap(({ path, imports }) =>
    imports
      .filter(({ bare, target }) => !bare && !allowed(path, target))
      .map(({ target }) => `${path} imports ${target}`),
  );
}

test("imports go one way: schemas, bus, then services, channels and ops, and no service imports another", () => {
  assert.deepEqual(breaches(product), []);
});

test("the import check finds a service that imports another, and the bus importing a service", () => {
  const planted = (path: string, target: string): SourceFile => ({
    path,
    text: "",
    imports: [{ target, typeOnly: false, bare: false }],
  });
  assert.equal(breaches([planted("services/router/app.ts", "services/stats/app.ts")]).length, 1);
  assert.equal(breaches([planted("bus/log.ts", "services/stats/app.ts")]).length, 1);
  assert.equal(breaches([planted("ops/cli/main.ts", "services/stats/app.ts")]).length, 1);
});

const PURE = /\/(decide|project|translate|state|journal|request|due-list|lines|counts|health|guards)\.ts$/;

test("deciders, projections and translators are pure: no node modules, no clock, no random, of the bus only types and words", () => {
  const faults = product
    .filter(({ path }) => PURE.test(path) && /^(services|channels)\//.test(path))
    .flatMap(({ path, text, imports }) => [
      ...imports
        .filter(({ target, typeOnly, bare }) => (bare ? true : target.startsWith("bus/")) && !typeOnly)
        .map(({ target }) => `${path} imports ${target}`),
      ...[
        ...text.matchAll(
          /Date\.now\(|Math\.random\(|new Date\(\)|\bprocess\.(?:env|exit|argv|hrtime|uptime|memoryUsage)|setTimeout\(|fetch\(/g,
        ),
      ].map((match) => `${path} uses ${match[0]}`),
    ]);
  assert.deepEqual(faults, []);
});

test("no file is longer than 500 lines", () => {
  const long = files.filter(({ text }) => text.split("\n").length > MAX_LINES).map(({ path }) => path);
  assert.deepEqual(long, []);
});

test("the top level holds what the owner fixed, and nothing names this machine", () => {
  const tracked = execFileSync("git", ["ls-files"], { cwd: root, encoding: "utf8" }).split("\n").filter(Boolean);
  const top = new Set(tracked.map((path) => path.split("/")[0] ?? ""));
  const usual =
    /^(package(-lock)?\.json|tsconfig\.json|services|channels|bus|ui|schemas|ops|test|\.ci|README\.md|ARCHITECTURE\.md|CONTRIBUTING\.md|CHANGELOG\.md|LICENSE|knip\.json|\.gitignore|\.prettierrc\.json|\.prettierignore|\.oxlintrc\.json)$/;
  assert.deepEqual(
    [...top].filter((name) => !usual.test(name)),
    [],
  );
});

test("generated types and validators match the schemas", () => {
  execFileSync(process.execPath, ["--import", "tsx", "schemas/generate.ts", "--check"], { cwd: root, stdio: "pipe" });
});

test("every event and command version has a fixture", () => {
  const missing = ["events", "commands"]
    .flatMap((folder) => readdirSync(join(root, "schemas", folder)))
    .filter((name) => !existsSync(join(root, "schemas", "fixtures", name)));
  assert.deepEqual(missing, []);
});
