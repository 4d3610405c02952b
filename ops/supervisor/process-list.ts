/** Which processes run and what each is told. The model's key goes to the runners only. */
import { join } from "node:path";
import type { ModelsView } from "../../schemas/views.ts";
import type { Config } from "../config/config.ts";
import { childEnvironment, PROXY_VARIABLES } from "./spawn-child.ts";

/** A process of ours, run from its bundle. */
export interface OwnProcess {
  readonly name: string;
  /** Bus user; runners share one. */
  readonly user: string;
  /** Path of its script. */
  readonly script: string;
  /** `edge` starts when all `service` processes are ready and stops before them. */
  readonly stage: "service" | "edge";
  readonly settings: Readonly<Record<string, unknown>>;
  /** Secrets and other variables for it alone. */
  readonly variables?: Readonly<Record<string, string>>;
  /** Variables of the person's environment it keeps beyond the usual. */
  readonly keep?: readonly string[];
}

/**
 * Small heaps: many processes share one small machine. With a young generation of 1 MiB a third of a message's CPU was
 * garbage collection, above 4 MiB nothing is gained; 128 MiB are ten times what a service holds.
 */
export const NODE_FLAGS: readonly string[] = ["--max-semi-space-size=4", "--max-old-space-size=128"];

const PROVIDER_NAMES: Readonly<Record<string, string>> = {
  anthropic: "Anthropic",
  openai: "OpenAI-compatible",
  ollama: "Ollama",
};

/** What the page offers: the configured model first. */
export function modelChoices(config: Config): ModelsView {
  const ids = [...new Set([config.model.use, ...config.models, "demo"])];
  return {
    configured: config.model.use,
    choices: ids.map((id) => {
      const [provider = "", ...rest] = id.split(":");
      const name =
        provider === "demo"
          ? ["Demo", ...rest].join(" ")
          : `${rest.join(":")} (${PROVIDER_NAMES[provider] ?? provider})`;
      return { id, name, local: provider === "demo" || provider === "ollama" };
    }),
  };
}

/** The part of the configuration that decides what a turn does; it is in bundles, and no secret. */
export interface DeciderSettings {
  readonly configuredModel: string;
  readonly systemPrompt?: string;
  readonly maxSteps: number;
  readonly maxOutputTokens: number;
  readonly queueMode: Config["chat"]["queueMode"];
}

export function deciderSettings({ model, agent, chat }: Config): DeciderSettings {
  return {
    configuredModel: model.use,
    ...(agent.systemPrompt === undefined ? {} : { systemPrompt: agent.systemPrompt }),
    maxSteps: agent.maxSteps,
    maxOutputTokens: agent.maxOutputTokens,
    queueMode: chat.queueMode,
  };
}

/** All processes of this release but the broker. `port` is the page's, `code` names release and build. */
export function ownProcesses(
  config: Config,
  distFolder: string,
  port: number,
  { version, code }: { version: string; code: string },
): OwnProcess[] {
  const own = (name: string, settings: Record<string, unknown>, more: Partial<OwnProcess> = {}): OwnProcess => ({
    name,
    user: name,
    script: join(distFolder, `${name}.js`),
    stage: "service",
    settings,
    ...more,
  });
  const { model, agent } = config;
  const deciders = deciderSettings(config);
  const runnerSettings = {
    code,
    ...deciders,
    ...(model.baseUrl === undefined ? {} : { baseUrl: model.baseUrl }),
  };
  const runners = Array.from({ length: agent.runners }, (_, index) =>
    own("agent-runner", runnerSettings, {
      name: `agent-runner-${index + 1}`,
      keep: PROXY_VARIABLES,
      ...(model.apiKey === undefined ? {} : { variables: { TAFFRAIL_MODEL_API_KEY: model.apiKey } }),
    }),
  );
  return [
    own("router", { ...deciders }),
    ...runners,
    own("scheduler", {}),
    own("stats", { version }),
    own("ui-projection", {}),
    own("web", { port, version, models: modelChoices(config) }, { stage: "edge" }),
  ];
}

/** The environment a process gets (bus/runtime.ts reads it). */
export function processEnvironment(
  own: OwnProcess,
  bus: { server: string; credsFile: string; home: string; host: string },
  env: NodeJS.ProcessEnv,
): NodeJS.ProcessEnv {
  const given = {
    TAFFRAIL_PROCESS: own.name,
    TAFFRAIL_BUS: bus.server,
    TAFFRAIL_CREDS: bus.credsFile,
    TAFFRAIL_HOME: bus.home,
    TAFFRAIL_HOST: bus.host,
    TAFFRAIL_SETTINGS: JSON.stringify(own.settings),
    ...own.variables,
  };
  return childEnvironment(env, given, own.keep);
}

/** The host's name as one subject token. */
export function hostToken(hostname: string): string {
  return hostname.replaceAll(/[^A-Za-z0-9_-]/g, "-").slice(0, 64) || "localhost";
}
