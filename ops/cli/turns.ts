/** `taffrail stop`, `retry`, `model`: commands about one conversation, answered by the router. */
import type { ItemView } from "../../schemas/views.ts";
import { createNatsLive } from "../../bus/nats-live.ts";
import { liveSubjects } from "../../bus/subjects.ts";
import { withBus, withLog } from "./bus.ts";
import { sendCommand } from "./command.ts";
import { homeOf, textOption } from "./options.ts";
import { UsageError, type CommandLine } from "./usage.ts";

const CHANNEL = "web";
const QUERY_LIMIT_MS = 3_000;

function chatOf(line: CommandLine): string {
  const chat = textOption(line, "chat");
  if (chat === undefined) throw new UsageError(`${line.verb}: --chat ID says which conversation`);
  return chat;
}

/** Stops the turn that runs. */
export async function stopTurn(line: CommandLine): Promise<number> {
  const chat = chatOf(line);
  return withLog(homeOf(line), async (log) => {
    const fact = await sendCommand(log, "CancelTurn", { channel: CHANNEL, chat });
    if (fact === undefined) return 1;
    console.log("it is being stopped");
    return 0;
  });
}

/** Asks the last turn of the conversation again. */
export async function retryTurn(line: CommandLine): Promise<number> {
  const chat = chatOf(line);
  const home = homeOf(line);
  const wanted = { channel: CHANNEL, chat, limit: 50 };
  const answer = await withBus(home, (nc) =>
    createNatsLive(nc).request(liveSubjects.query("ui-projection", "items"), wanted, QUERY_LIMIT_MS),
  );
  const { items = [] } = answer as { items?: ItemView[] };
  const last = items.findLast((item) => item.kind === "turn");
  return withLog(home, async (log) => {
    // Without a turn the router says so in its own words.
    const fact = await sendCommand(log, "RetryTurn", { channel: CHANNEL, chat, turn: last?.turn ?? "none" });
    if (fact === undefined) return 1;
    console.log("it is asked again");
    return 0;
  });
}

/** Chooses the model of the conversation. */
export async function selectModel(line: CommandLine): Promise<number> {
  const chat = chatOf(line);
  const model = line.operands[0] ?? "";
  return withLog(homeOf(line), async (log) => {
    const fact = await sendCommand(log, "SelectChatModel", { channel: CHANNEL, chat, model });
    if (fact === undefined) return 1;
    console.log(`the conversation uses ${model} from its next turn on`);
    return 0;
  });
}
