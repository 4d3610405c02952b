/**
 * The port `Live` in memory, for virtual time. As core NATS: at most once, in order from one sender to one receiver,
 * nothing kept for who is not there. It outlives nothing: while the broker is down everything is dropped.
 */
import { filterTest } from "./subjects.ts";
import { describeError, TaffrailError } from "./errors.ts";
import { boundedJson, type Live } from "./live.ts";
import type { Clock, Random } from "./ports.ts";
import { createWire } from "./memory-wire.ts";

/** Middle of the road when no Random is given: then all latencies are equal and queue members take turns. */
const STEADY: Random = { fraction: () => 0.25, token: (length) => "x".repeat(length) };

/** The bus as one process sees it. */
export interface ProcessLive extends Live {
  /** kill -9: nothing is sent, heard or answered any more; pending requests never settle. */
  kill(): void;
}

export interface LiveFaults {
  /** Probability that a published message does not reach a subscriber. Requests are not dropped by it. */
  setDropRate(rate: number): void;
  /** The broker is gone: publishes vanish, requests fail with BUS_REQUEST_TIMEOUT. */
  stop(): void;
  start(): void;
}

export interface MemoryLive extends Live {
  attach(): ProcessLive;
  readonly faults: LiveFaults;
}

interface Subscriber {
  readonly matches: (subject: string) => boolean;
  readonly receive: (json: string, subject: string) => void;
}

interface Server {
  readonly matches: (subject: string) => boolean;
  readonly queue: string | undefined;
  readonly answer: (json: string, respond: (json: string) => void) => void;
}

interface Shared {
  readonly clock: Clock;
  readonly random: Random;
  readonly subscribers: Set<Subscriber>;
  readonly servers: Set<Server>;
  up: boolean;
  dropRate: number;
}

/** The returned bus is itself a process that is never killed. */
export function createMemoryLive(options: { clock: Clock; random?: Random }): MemoryLive {
  const shared: Shared = {
    clock: options.clock,
    random: options.random ?? STEADY,
    subscribers: new Set(),
    servers: new Set(),
    up: true,
    dropRate: 0,
  };
  const attach = (): ProcessLive => attachProcess(shared);
  const own: Live = attach();
  return {
    ...own,
    attach,
    faults: {
      setDropRate: (rate) => (shared.dropRate = rate),
      stop: () => (shared.up = false),
      start: () => (shared.up = true),
    },
  };
}

/** One of each queue group, and all that stand alone. */
function addressees(shared: Shared, subject: string): Server[] {
  const chosen: Server[] = [];
  const groups = new Map<string, Server[]>();
  for (const server of shared.servers) {
    if (!server.matches(subject)) continue;
    if (server.queue === undefined) chosen.push(server);
    else groups.set(server.queue, [...(groups.get(server.queue) ?? []), server]);
  }
  for (const members of groups.values()) chosen.push(members[Math.floor(shared.random.fraction() * members.length)]!);
  return chosen;
}

function failureAnswer(failure: unknown): unknown {
  const code = failure instanceof TaffrailError ? failure.code : "HANDLER_FAILED";
  return { error: { code, message: describeError(failure) } };
}

function attachProcess(shared: Shared): ProcessLive {
  const { clock, random } = shared;
  const toServer = createWire(clock, random);
  const toClient = createWire(clock, random);
  const mine = new Set<() => void>();
  let killed = false;

  const add = <T>(set: Set<T>, member: T): (() => void) => {
    if (killed) return () => undefined;
    set.add(member);
    const remove = (): void => {
      set.delete(member);
      mine.delete(remove);
    };
    mine.add(remove);
    return remove;
  };

  return {
    publish(subject, data, bound) {
      if (killed) return;
      const json = boundedJson(data, bound);
      toServer.send(() => {
        if (!shared.up) return;
        for (const { matches, receive } of shared.subscribers) {
          if (matches(subject) && random.fraction() >= shared.dropRate) receive(json, subject);
        }
      });
    },

    subscribe(subject, handler) {
      const subscriber: Subscriber = {
        matches: filterTest([subject]),
        receive: (json, from) =>
          toClient.send(() => {
            // What was under way when it unsubscribed is dropped by the client.
            if (!killed && json !== undefined && shared.subscribers.has(subscriber)) handler(JSON.parse(json), from);
          }),
      };
      return add(shared.subscribers, subscriber);
    },

    request(subject, data, timeoutMs) {
      return new Promise((resolve, reject) => {
        if (killed) return;
        const json = JSON.stringify(data);
        const settled = new AbortController();
        const settle = (finish: () => void): void => {
          settled.abort();
          if (!killed) finish();
        };
        toServer.send(() => {
          if (!shared.up) return;
          const servers = addressees(shared, subject);
          if (servers.length === 0) {
            const error = new TaffrailError("BUS_UNAVAILABLE", `nobody serves ${subject}`);
            toClient.send(() => settle(() => reject(error)));
          }
          for (const server of servers) {
            server.answer(json, (answer) => toClient.send(() => settle(() => resolve(JSON.parse(answer)))));
          }
        });
        void clock
          .sleep(timeoutMs, settled.signal)
          .then(() => settle(() => reject(new TaffrailError("BUS_REQUEST_TIMEOUT", `no answer from ${subject}`))));
      });
    },

    serve(subject, handler, queue) {
      return add(shared.servers, {
        matches: filterTest([subject]),
        queue,
        answer: (json, respond) =>
          toClient.send(() => {
            if (killed) return;
            void handler(json === undefined ? undefined : JSON.parse(json))
              .catch(failureAnswer)
              .then((answer) => {
                if (killed || answer === undefined) return;
                const text = JSON.stringify(answer);
                toServer.send(() => {
                  if (shared.up) respond(text);
                });
              });
          }),
      });
    },

    kill() {
      killed = true;
      // What left the process before its death still arrives; what it had only begun does not.
      toServer.cut(Math.floor(random.fraction() * (toServer.underWay + 1)));
      toClient.cut(0);
      for (const remove of mine) remove();
    },
  };
}
