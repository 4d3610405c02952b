/** `taffrail send`: a message as the local owner on the web channel, and its answer as it comes. */
import { calledAs } from "./called.ts";
import { randomBytes } from "node:crypto";
import { TaffrailError } from "../../bus/errors.ts";
import type { ErrorView } from "../../schemas/views.ts";
import { askStatus } from "../supervisor/control.ts";
import { AnswerFollower, type Ending } from "./answer.ts";
import { printRefusal } from "./failure.ts";
import { homeOf, textOption } from "./options.ts";
import { followChat, postMessage, type Page } from "./page-client.ts";
import type { CommandLine } from "./usage.ts";

const EXIT: Readonly<Record<Ending, number>> = { completed: 0, failed: 3, cancelled: 3, waiting: 4 };

export async function send(line: CommandLine): Promise<number> {
  const home = homeOf(line);
  const { run } = await askStatus(home);
  if (run === undefined) throw new TaffrailError("NOT_RUNNING", "Taffrail is still starting", { home });
  const given = textOption(line, "chat");
  const chat = given ?? randomBytes(9).toString("hex");
  const model = textOption(line, "model");
  const text = line.operands[0] ?? "";
  const message = { id: randomBytes(12).toString("hex"), text, ...(model === undefined ? {} : { model }) };
  const ending = await converse({ home, port: run.port }, chat, message);
  if (typeof ending !== "string") {
    printRefusal(ending);
    return 1;
  }
  if (given === undefined) console.error(`go on with: ${calledAs} send --chat ${chat} "…"`);
  return EXIT[ending];
}

function converse(
  page: Page,
  chat: string,
  message: { id: string; text: string; model?: string },
): Promise<Ending | ErrorView> {
  return new Promise((resolve) => {
    const follower = new AnswerFollower(message.id);
    const finish = (outcome: Ending | ErrorView): void => {
      stop();
      resolve(outcome);
    };
    const stop = followChat(page, chat, {
      frame: (frame) => {
        const { prints, ending } = follower.take(frame);
        for (const print of prints) {
          if (print.type === "answer") process.stdout.write(print.text);
          else process.stderr.write(`· ${print.text}\n`);
        }
        if (ending !== undefined) finish(ending);
      },
      // Posted behind the subscription, so that the first token is seen.
      subscribed: () => {
        void postMessage(page, chat, message).then((outcome) => {
          if (outcome.type === "refused") finish(outcome);
        });
      },
      failed: finish,
    });
  });
}
