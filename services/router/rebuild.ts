/** The router's snapshot built anew from the log and compared with the live one. */
import type { LogEntry } from "../../bus/event.ts";
import type { TokenMint } from "../../bus/ids.ts";
import { rebuildFold, type Fold } from "../../bus/rebuild-fold.ts";
import type { RebuildOptions, RebuildOutcome } from "../../bus/rebuild.ts";
import { parseSubject } from "../../bus/subjects.ts";
import { createDirectory, type Known } from "./directory.ts";
import { READS } from "./reads.ts";
import { foldEntry, isOver, newChat, STATE_SHAPE, type ChatState } from "./state.ts";

interface Lane extends Known {
  readonly state: ChatState;
}

const nameOf = ({ channel, chat }: { channel: string; chat: string }): string => `chat ${channel}/${chat}`;

function startFold(mint: TokenMint, from: readonly ChatState[] = []): Fold<ChatState[]> {
  const restored = new Map(from.map((state) => [nameOf(state), state]));
  const directory = createDirectory<Lane>({
    mint,
    make: (known) => ({ ...known, state: restored.get(nameOf(known)) ?? newChat(known.channel, known.chat) }),
    activeIn: ({ state }) => state.active,
  });
  for (const { channel, chat } of from) directory.of(channel, chat);

  function fold(lane: Lane, entry: LogEntry): boolean {
    const folded = foldEntry(lane.state, entry, parseSubject(entry.subject)?.type);
    if (folded && entry.type !== "unreadable" && isOver(lane.state)) directory.forget(lane);
    return folded;
  }

  return {
    take(entry) {
      const lane = directory.locate(entry);
      if (lane !== undefined) fold(lane, entry);
    },
    takeAhead(entry, live) {
      const place = parseSubject(entry.subject)?.type;
      const lane = place === "turn" || place === "chat" ? directory.locate(entry) : undefined;
      const known = lane === undefined ? undefined : live.find((state) => nameOf(state) === nameOf(lane));
      if (lane === undefined || known === undefined) return false;
      if (entry.seq > (place === "turn" ? known.turnsSeq : known.factsSeq)) return false;
      return fold(lane, entry);
    },
    state: () => [...directory.all()].map(({ state }) => state),
  };
}

/** Router snapshots hold the chats; `mint` makes the tokens under which their turns stand. */
export function rebuildRouter(options: RebuildOptions, mint: TokenMint): Promise<RebuildOutcome> {
  return rebuildFold<ChatState[]>(options, {
    shape: STATE_SHAPE,
    reads: READS,
    start: (from) => startFold(mint, from),
    parts: (states) => new Map(states.map((state) => [nameOf(state), state])),
  });
}
