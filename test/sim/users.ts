/** People as channels bring them: messages, bursts, second thoughts, orders. They go on until the log has what they said. */
import { hasCode, TaffrailError } from "../../bus/errors.ts";
import { makeEvent, type NewEvent } from "../../bus/event.ts";
import { deriveId } from "../../bus/ids.ts";
import type { Log } from "../../bus/log.ts";
import { lanes, type Lane } from "../../bus/subjects.ts";
import type { DataOf, MessageType } from "../../schemas/index.ts";
import type { SeededRandom, VirtualClock } from "../support/virtual-clock.ts";
import type { Facts } from "./facts.ts";
import type { World } from "./world.ts";

const CHANNEL = "web";
const RETRY_MS = 50;

export interface UserParts {
  readonly log: Log;
  readonly clock: VirtualClock;
  readonly random: SeededRandom;
  readonly facts: Facts;
  readonly world: World;
  /** How many things this person does. */
  readonly actions: number;
  readonly meanPauseMs: number;
}

export interface User {
  readonly done: Promise<void>;
  /** Some messages in a row. */
  sayMore(): Promise<void>;
  /** Subjects the channel confirmed: they must be in the log. */
  readonly confirmed: string[];
}

/** One person in one chat; `done` resolves when everything they did is confirmed. */
export function startUser(chat: string, parts: UserParts): User {
  const { log, clock, random, facts } = parts;
  const confirmed: string[] = [];
  const sent: string[] = [];
  const by = { id: "owner", channel: CHANNEL };
  const from = { id: "owner", owner: true };
  let count = 0;

  /** As the channel does: once in the log however often it is tried. */
  async function create(lane: Lane, made: NewEvent): Promise<void> {
    for (;;) {
      try {
        await log.append(lane, 0, made);
        break;
      } catch (error) {
        if (hasCode(error, "BUS_APPEND_CONFLICT")) break;
        if (!(error instanceof TaffrailError) || !error.retryable) throw error;
      }
      await clock.sleep(RETRY_MS);
    }
    confirmed.push(lane.subject);
  }
  function event<T extends MessageType>(type: T, key: string, data: DataOf[T]): NewEvent {
    return makeEvent(type, deriveId(type, chat, key), { source: CHANNEL, nowMs: clock.nowMs() }, data) as NewEvent;
  }
  const text = (mark: string): string => `#${mark} tools=${random.chance(0.6) ? random.below(4) : 0}`;

  async function say(message: string, wish?: "steer"): Promise<void> {
    const mode = wish ?? random.pick([undefined, undefined, undefined, "queue", "steer", "interrupt"] as const);
    await create(
      lanes.message(CHANNEL, chat, message),
      event("MessageReceived", message, {
        channel: CHANNEL,
        chat,
        message,
        from,
        text: text(message),
        ...(mode === undefined ? {} : { mode }),
        ...(random.chance(0.06) ? { model: random.pick(["demo:a", "demo:b"]) } : {}),
      }),
    );
  }
  async function edit(message: string, revision: string): Promise<void> {
    const data = { channel: CHANNEL, chat, message, revision, from, text: text(`${message}-${revision}`) };
    await create(lanes.edit(CHANNEL, chat, message, revision), event("MessageEdited", `${message} ${revision}`, data));
  }
  async function takeBack(message: string): Promise<void> {
    const data = { channel: CHANNEL, chat, message, revision: "x", from };
    await create(lanes.deletion(CHANNEL, chat, message, "x"), event("MessageDeleted", message, data));
  }
  const next = (): string => {
    const message = `${chat}m${count++}`;
    sent.push(message);
    return message;
  };
  async function order(type: MessageType, make: (command: string) => NewEvent): Promise<void> {
    const command = `${chat}${type}${count++}`;
    const made = make(command);
    const twice = random.chance(0.2);
    await create(lanes.command(CHANNEL, command), made);
    if (twice) await create(lanes.command(CHANNEL, command), made);
  }
  /** Turns of this chat as this person sees them on the page. */
  const turns = (): string[] =>
    [...facts.turns.values()].filter((turn) => turn.place === `${CHANNEL}/${chat}`).map((turn) => turn.turn);

  /** Says something just when a turn is about to end. */
  async function breakIn(): Promise<void> {
    await say(next());
    await Promise.race([new Promise<void>((resolve) => parts.world.lastWord.push(resolve)), clock.sleep(1_000)]);
    await clock.sleep(random.fraction() * 10);
    await say(next(), "steer");
  }

  const actions: readonly [number, () => Promise<void>][] = [
    [6, breakIn],
    [10, () => say(next())],
    [3, async () => void (await Promise.all(Array.from({ length: 2 + random.below(4) }, () => say(next()))))],
    [
      1,
      async () => {
        const message = next();
        await edit(message, "r1");
        if (random.chance(0.5)) await edit(message, "r1");
        await say(message);
      },
    ],
    [2, async () => (sent.length === 0 ? undefined : edit(random.pick(sent.slice(-3)), `r${2 + random.below(3)}`))],
    [
      1,
      async () => {
        const message = next();
        await takeBack(message);
        await say(message);
      },
    ],
    [2, async () => (sent.length === 0 ? undefined : takeBack(random.pick(sent.slice(-2))))],
    [
      2,
      () => {
        const turn = random.chance(0.5) ? turns().at(-1) : undefined;
        return order("CancelTurn", (command) =>
          event("CancelTurn", command, {
            command,
            by,
            channel: CHANNEL,
            chat,
            ...(turn === undefined ? {} : { turn }),
          }),
        );
      },
    ],
    [
      2,
      async () => {
        const turn = turns().at(-1);
        if (turn === undefined) return;
        await order("RetryTurn", (command) =>
          event("RetryTurn", command, { command, by, channel: CHANNEL, chat, turn }),
        );
      },
    ],
    [
      1,
      () =>
        order("SelectChatModel", (command) =>
          event("SelectChatModel", command, {
            command,
            by,
            channel: CHANNEL,
            chat,
            model: random.pick(["demo:c", "demo:d"]),
          }),
        ),
    ],
    [
      2,
      () =>
        order("ScheduleTask", (command) =>
          event("ScheduleTask", command, {
            command,
            by,
            group: "main",
            due: new Date(clock.nowMs() - 500 + random.below(20_000)).toISOString(),
            replyTo: { channel: CHANNEL, chat },
            text: `#task${command} tools=${random.below(2)}`,
          }),
        ),
    ],
    [
      1,
      async () => {
        const task = [...facts.tasks.keys()].at(-1);
        if (task === undefined) return;
        await order("CancelTask", (command) => event("CancelTask", command, { command, by, group: "main", task }));
      },
    ],
  ];
  const total = actions.reduce((sum, [weight]) => sum + weight, 0);

  async function live(): Promise<void> {
    for (let index = 0; index < parts.actions; index++) {
      // Now in quick succession, now after a while.
      await clock.sleep(random.fraction() * (random.chance(0.3) ? 60 : 2 * parts.meanPauseMs));
      let drawn = random.below(total);
      const [, act] = actions.find(([weight]) => (drawn -= weight) < 0)!;
      await act();
    }
  }
  async function sayMore(): Promise<void> {
    for (let index = 0; index < 2; index++) await say(next());
  }
  return { done: live(), sayMore, confirmed };
}
