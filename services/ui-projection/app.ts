/**
 * UI projection process.
 * In: the whole log. Out: `feed.*` notices, answers to `query.ui-projection.*`. Owns: the SQLite read model, rows and checkpoint
 * in one transaction. Never: decides or appends anything but dead letters; the file may be deleted at any time.
 */
import { checkpointFits, type Checkpoint } from "../../bus/checkpoint.ts";
import { deadLetter } from "../../bus/dead-letter.ts";
import { describeError, TaffrailError } from "../../bus/errors.ts";
import type { LogEntry } from "../../bus/event.ts";
import type { Ports, RunningApp } from "../../bus/runtime.ts";
import { liveSubjects, LOG_ROOT } from "../../bus/subjects.ts";
import type { EventRow, ItemView } from "../../schemas/views.ts";
import { removeModel } from "./build-file.ts";
import { openReadModel, type ReadModel } from "./database.ts";
import { foldBatch, type FoldedBatch } from "./fold.ts";
import { createQueries } from "./queries.ts";
import { isDamage } from "./sqlite.ts";

const SOURCE = "ui-projection";
/** A feed message above this is replaced by a hint to ask. */
const MAX_FEED_BYTES = 500_000;

export interface UiProjectionOptions {
  /** Path of the SQLite file. */
  readonly file: string;
  /** Opens the file; the simulation gives a model in memory. */
  readonly open?: (file: string) => Promise<ReadModel>;
}

/** What a chat's reader is told after each commit. `after`: the chat's sequence before it, so that a gap shows. */
export interface ChatFeed {
  channel: string;
  chat: string;
  after: number;
  cursor: number;
  items: ItemView[];
  rows: EventRow[];
  /** The change was too large: ask for it. */
  ask: boolean;
}

interface OpenedModel {
  readonly model: ReadModel;
  readonly checkpoint: Checkpoint | undefined;
}

/** Opens the file; one that is damaged is named, deleted and built again: it holds nothing but what the log holds. */
async function openSound(ports: Ports, { file, open = openReadModel }: UiProjectionOptions): Promise<OpenedModel> {
  try {
    const model = await open(file);
    return { model, checkpoint: await model.checkpoint() };
  } catch (error) {
    if (!isDamage(error)) throw error;
    ports.logger.error({ file, error: describeError(error) }, "the read model is damaged; it is built again");
    await removeModel(file);
    return { model: await open(file), checkpoint: undefined };
  }
}

/** Opens the file; one of another log is deleted and built again. */
async function openFitting(ports: Ports, options: UiProjectionOptions): Promise<{ model: ReadModel; seq: number }> {
  const { file, open = openReadModel } = options;
  const { model, checkpoint } = await openSound(ports, options);
  if (checkpoint === undefined) return { model, seq: 0 };
  if (await checkpointFits(ports.log, checkpoint)) return { model, seq: checkpoint.seq };
  ports.logger.warn({ seq: checkpoint.seq }, "the read model is of another log; it is built again");
  await model.close();
  await removeModel(file);
  return { model: await open(file), seq: 0 };
}

/** Projects one batch and commits it. Returns what each changed chat's readers are told. */
export async function projectBatch(
  model: ReadModel,
  entries: readonly LogEntry[],
  created: string,
  onPoison: (entry: LogEntry, error: unknown) => Promise<void>,
): Promise<ChatFeed[]> {
  if (entries.length === 0) return [];
  const folded = await foldBatch((keys) => model.rows(keys), entries, created, onPoison);
  await model.commit([...folded.changed.values()], folded.events, folded.checkpoint);
  return feeds(folded);
}

const placeKey = ({ channel, chat }: { channel: string | undefined; chat: string | undefined }): string =>
  `${channel ?? ""} ${chat ?? ""}`;

/** What each changed chat's readers are told. */
function feeds({ before, changed, events }: FoldedBatch): ChatFeed[] {
  const told = new Map<string, ChatFeed>();
  for (const row of changed.values()) {
    if (row.kind !== "chat") continue;
    const { key, channel, chat } = row;
    const known = before.get(key);
    const after = known?.kind === "chat" ? known.view.changedSeq : 0;
    const cursor = row.view.changedSeq;
    told.set(placeKey(row), { channel, chat, after, cursor, items: [], rows: [], ask: false });
  }
  for (const row of changed.values()) if (row.kind === "item") told.get(placeKey(row))?.items.push(row.view);
  for (const event of events) told.get(placeKey(event))?.rows.push(event.row);
  for (const { items } of told.values()) items.sort((a, b) => a.changedSeq - b.changedSeq);
  return [...told.values()];
}

export async function startUiProjection(ports: Ports, options: UiProjectionOptions): Promise<RunningApp> {
  const { log, live, logger } = ports;
  const abort = new AbortController();
  const { model, seq } = await openFitting(ports, options);
  const { created } = await log.identity();
  let position = seq;
  let lag = 0;
  const unserve = Object.entries(createQueries(model, log)).map(([name, answer]) =>
    live.serve(liveSubjects.query(SOURCE, name), answer),
  );

  async function run(): Promise<void> {
    for await (const { events, pending } of log.read({
      filters: [LOG_ROOT],
      fromSeq: position + 1,
      signal: abort.signal,
    })) {
      lag = pending;
      if (events.length === 0) continue;
      const told = await projectBatch(model, events, created, (entry, error) => {
        const code = error instanceof TaffrailError ? error.code : "HANDLER_FAILED";
        return deadLetter(ports, SOURCE, entry, code, describeError(error));
      });
      position = events.at(-1)?.seq ?? position;
      for (const feed of told) publish(feed);
    }
  }

  function publish(feed: ChatFeed): void {
    const instead = { ...feed, items: [], rows: [], ask: true };
    live.publish(liveSubjects.feedChat(feed.channel, feed.chat), feed, { maxBytes: MAX_FEED_BYTES, instead });
  }

  // Feeds between our predecessor's last commit and now may never have been sent: readers must ask.
  live.publish(liveSubjects.feedChats, { started: true });
  const running = run();
  const failed = running.then(
    () => new Promise<never>(() => undefined),
    async (error: unknown) => {
      logger.error({ error: describeError(error) }, "the projection stopped");
      // Damage found at work: the next start builds the file again. Said only when it is gone: the process ends with it.
      if (isDamage(error)) await removeModel(options.file);
      throw error;
    },
  );
  failed.catch(() => undefined);
  return {
    lag: () => lag,
    failed,
    async close() {
      abort.abort();
      for (const stop of unserve) stop();
      await running.catch(() => undefined);
      await model.close();
    },
  };
}
