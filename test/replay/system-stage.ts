/**
 * The built product with a model that does what messages say, for logs of the real system. Owns: a state folder, its
 * processes, the model's port. The supervisor can be killed and started again on the same folder.
 */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isEnd } from "../faults/one-answer.ts";
import { openSpy, type Spy } from "../faults/spy.ts";
import { startToldModel, type ToldModel } from "../faults/told-model.ts";
import { startSystem, until, type System } from "../support/system.ts";

export interface Stage {
  readonly home: string;
  readonly model: ToldModel;
  system(): System;
  spy(): Spy;
  /** Posts a message; resolves with its id. */
  send(chat: string, text: string, more?: { mode?: "steer" | "queue" | "interrupt"; model?: string }): Promise<string>;
  /** Posts a command; resolves when the log has it. */
  command(type: string, data: Record<string, unknown>): Promise<void>;
  /** Waits for the end of the turn that answers the message. */
  ended(chat: string, message: string): Promise<string>;
  /** Sends, and waits for the end. */
  ask(chat: string, text: string, more?: { model?: string }): Promise<string>;
  /** Waits until words of `tag` were streamed. */
  streaming(tag: string): Promise<void>;
  /** Waits until no turn is at work. */
  quiet(): Promise<void>;
  /** SIGKILL to the supervisor, which takes all processes with it, and a start on what they left. */
  restart(): Promise<void>;
  /** Ends all processes; the folder stays. */
  stop(): Promise<void>;
  /** Ends what runs and removes the folder. */
  close(): Promise<void>;
}

/** `yaml`: the whole taffrail.yaml but the model. */
export async function openStage(yaml: string): Promise<Stage> {
  const home = await mkdtemp(join(tmpdir(), "taffrail-stage-"));
  const model = await startToldModel();
  await writeFile(join(home, "taffrail.yaml"), `model: { use: "openai:told", baseUrl: ${model.baseUrl} }\n${yaml}`);
  // The file alone configures it, as it will a replay on the stopped folder.
  const start = (): Promise<System> => startSystem({ home, model: "", env: {} });
  let system = await start();
  let spy = await openSpy(home);
  let running = true;

  const post = async (path: string, body: Record<string, unknown>): Promise<void> => {
    await until(`${path} to be taken`, async () => {
      const { status, body: answer } = await system.api("POST", path, body);
      assert.ok(status === 202 || status >= 500, `${status} ${JSON.stringify(answer)}`);
      return status === 202;
    });
  };

  const stage: Stage = {
    home,
    model,
    system: () => system,
    spy: () => spy,
    async send(chat, text, more = {}) {
      const id = randomUUID();
      await post(`/api/chats/${chat}/messages`, { id, text, ...more });
      return id;
    },
    command: (type, data) => post("/api/commands", { type, command: randomUUID(), ...data }),
    ended: (chat, message) =>
      until(`the end of ${message} in ${chat}`, async () => {
        const events = (await spy.events()).filter(isEnd);
        return events.find(({ data }) => data.chat === chat && data.answers.includes(message))?.data.turn;
      }),
    async ask(chat, text, more) {
      return stage.ended(chat, await stage.send(chat, text, more));
    },
    async streaming(tag) {
      await until(`${tag} to stream`, () =>
        Promise.resolve(
          spy.attempts.some(({ subject, data }) => subject.startsWith("live.") && String(data["text"]).includes(tag)),
        ),
      );
    },
    async quiet() {
      await until("every turn to end", async () => {
        const events = await spy.events();
        const requested = events.filter(({ type }) => type === "TurnRequested").length;
        return requested === events.filter(isEnd).length;
      });
    },
    async restart() {
      const gone = once(system.supervisor, "exit");
      await spy.close();
      system.supervisor.kill("SIGKILL");
      await gone;
      system = await start();
      spy = await openSpy(home);
    },
    async stop() {
      if (!running) return;
      running = false;
      await spy.close();
      await system.stop();
    },
    async close() {
      await stage.stop();
      await model.close();
      await rm(home, { recursive: true, force: true });
    },
  };
  return stage;
}
