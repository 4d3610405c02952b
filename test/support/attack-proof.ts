/** What must be true after every attack: the log as it was, and nothing in core that the attacker may not send. */
import assert from "node:assert/strict";
import { jetstream, jetstreamManager, type JetStreamManager, type StreamInfo } from "@nats-io/jetstream";
import type { NatsConnection } from "nats";
import { matchesFilter } from "../../bus/subjects.ts";

/** Stands in every message an attacker sends. */
export const MARK = "attack-mark";
/** Stands in everything that no attacker may read. */
export const SECRET = "secret-of-another";

export interface Proof {
  /** Messages seen in core since the last call, subject and payload. */
  readonly seenInCore: () => Promise<{ subject: string; payload: string }[]>;
  /** Returns how many attacking messages were seen. Fails unless all that was seen in core since the last call is covered by `own`, and all that was stored by `stored`. */
  readonly onlyOwn: (own: readonly string[], what: string, stored?: readonly string[]) => Promise<number>;
  readonly jsm: JetStreamManager;
}

const BARRIER = "log.process.barrier";

/** Appends wait in one queue for the disk: once the barrier is stored, so is everything sent before it. */
async function snapshot(admin: NatsConnection, jsm: JetStreamManager): Promise<StreamInfo> {
  const deadlineMs = performance.now() + 20_000;
  for (let stored = false; !stored;) {
    stored = await jetstream(admin)
      .publish(BARRIER, "{}")
      .then(
        () => true,
        (error: unknown) => {
          // A flood's tail still waits for the disk.
          if (performance.now() > deadlineMs) throw error;
          return false;
        },
      );
  }
  return jsm.streams.info("LOG", { subjects_filter: ">" });
}

/** Listens to all of core by an all-powerful connection. */
export async function startProof(admin: NatsConnection): Promise<Proof> {
  const jsm = await jetstreamManager(admin, { checkAPI: false });
  let seen: { subject: string; payload: string }[] = [];
  admin.subscribe(">", {
    callback: (_error, message) => void seen.push({ subject: message.subject, payload: message.string() }),
  });
  await admin.flush();
  let before = await snapshot(admin, jsm);
  const take = async (): Promise<typeof seen> => {
    // A message of an attacker that has settled is on its way to this connection before the answer to its ping.
    await admin.flush();
    const taken = seen;
    seen = [];
    return taken;
  };
  return {
    jsm,
    seenInCore: take,
    async onlyOwn(own, what, stored = own) {
      const fits = (filters: readonly string[], subject: string): boolean =>
        subject === BARRIER || filters.some((filter) => matchesFilter(filter, subject));
      const marked = (await take()).filter(({ payload }) => payload.includes(MARK));
      const strange = marked.filter(({ subject }) => !fits(own, subject) && !subject.startsWith("_R_."));
      assert.deepEqual(strange, [], `${what}: reached core`);
      const after = await snapshot(admin, jsm);
      assert.equal(after.created, before.created, `${what}: the stream was made anew`);
      assert.equal(after.state.num_deleted ?? 0, 0, `${what}: something was deleted`);
      assert.equal(after.state.first_seq, before.state.first_seq, `${what}: the log was cut`);
      for (const [subject, count] of Object.entries(before.state.subjects ?? {}))
        assert.ok((after.state.subjects?.[subject] ?? 0) >= count, `${what}: ${subject} lost events`);
      const grown = Object.entries(after.state.subjects ?? {})
        .filter(([subject, count]) => count > (before.state.subjects?.[subject] ?? 0))
        .map(([subject]) => subject);
      assert.deepEqual(
        grown.filter((subject) => !fits(stored, subject)),
        [],
        `${what}: stored in a foreign place`,
      );
      assert.deepEqual(after.config, before.config, `${what}: the stream was changed`);
      const queue = await jsm.consumers.info("LOG", "wake");
      assert.equal(queue.config.filter_subject, "log.turn.*.*.*.wake", `${what}: the queue was changed`);
      before = after;
      return marked.length;
    },
  };
}
