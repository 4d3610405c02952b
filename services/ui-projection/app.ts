/**
 * UI projection process.
 * In: the whole log. Out: `feed.*` notices, answers to `query.ui-projection.*`. Owns: the SQLite read model, rows and checkpoint
 * in one transaction. Never: decides or appends anything but dead letters; the file may be deleted at any time.
 */
import { rm } from "node:fs/promises";
import { checkpointFits, entryHash, type Checkpoint } from "../../bus/checkpoint.ts";
import { deadLetter } from "../../bus/dead-letter.ts";
import { describeError, TaffrailError } from "../../bus/errors.ts";
import type { LogEntry } from "../../bus/event.ts";
import type { Ports, RunningApp } from "../../bus/runtime.ts";
import { liveSubjects, LOG_ROOT } from "../../bus/subjects.ts";
import type { EventRow, ItemView } from "../../schemas/views.ts";
import { openReadModel, type ReadModel, type StoredEventRow } from "./database.ts";
import { lineOf } from "./lines.ts";
import { chatKey, keysOf, placeOf, project, type Row } from "./project.ts";
import { createQueries } from "./queries.ts";

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

async function removeModel(file: string): Promise<void> {
  for (const suffix of ["", "-wal", "-shm"]) await rm(`${file}${suffix}`, { force: true });
}

/** True for what SQLite says of a file that is damaged or none of its own. */
function isDamage(error: unknown): boolean {
  return error instanceof Error && /SQLITE_(CORRUPT|NOTADB|ERROR)/.test(error.message);
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
  const keys = new Set(entries.flatMap((entry) => (entry.type === "unreadable" ? [] : keysOf(entry))));
  const rows = await model.rows([...keys]);
  const chats = [...rows.values()].map((row) => chatKey(row.channel, row.chat)).filter((key) => !rows.has(key));
  for (const [key, row] of await model.rows(chats)) rows.set(key, row);
  const before = new Map<string, number>();
  for (const row of rows.values()) if (row.kind === "chat") before.set(row.key, row.view.changedSeq);
  const changed = new Map<string, Row>();
  const events: StoredEventRow[] = [];
  for (const entry of entries) {
    if (entry.type === "unreadable") {
      await onPoison(entry, new TaffrailError(entry.code, entry.message));
      events.push(eventRow(entry, undefined));
      continue;
    }
    try {
      for (const row of project(entry, rows)) {
        rows.set(row.key, row);
        changed.set(row.key, row);
      }
    } catch (error) {
      await onPoison(entry, error);
    }
    events.push(eventRow(entry, placeOf(entry, rows)));
  }
  const last = entries.at(-1);
  const seq = last?.seq ?? 0;
  const hash = last === undefined ? "" : entryHash(last);
  await model.commit([...changed.values()], events, { seq, created, hash });
  return feeds(before, changed, events);
}

function eventRow(entry: LogEntry, place: { channel: string; chat: string } | undefined): StoredEventRow {
  const data = entry.type === "unreadable" ? {} : (entry.data as { turn?: unknown });
  return {
    seq: entry.seq,
    at: new Date(entry.storedAtMs).toISOString(),
    type: entry.type,
    source: entry.type === "unreadable" ? "" : entry.source,
    subject: entry.subject,
    id: entry.type === "unreadable" ? "" : entry.id,
    ...(entry.type !== "unreadable" && entry.causationId !== undefined ? { causationId: entry.causationId } : {}),
    ...(typeof data.turn === "string" ? { turn: data.turn } : {}),
    line: lineOf(entry),
    channel: place?.channel,
    chat: place?.chat,
  };
}

function feeds(
  before: ReadonlyMap<string, number>,
  changed: ReadonlyMap<string, Row>,
  events: readonly StoredEventRow[],
): ChatFeed[] {
  const list: ChatFeed[] = [];
  for (const row of changed.values()) {
    if (row.kind !== "chat") continue;
    const { channel, chat } = row;
    const own = (one: { channel: string | undefined; chat: string | undefined }): boolean =>
      one.channel === channel && one.chat === chat;
    const items = [...changed.values()].flatMap((one) => (one.kind === "item" && own(one) ? [one.view] : []));
    const rows = events.filter(own).map(({ channel: _channel, chat: _chat, ...rest }) => rest);
    list.push({
      channel,
      chat,
      after: before.get(row.key) ?? 0,
      cursor: row.view.changedSeq,
      items: items.toSorted((a, b) => a.changedSeq - b.changedSeq),
      rows,
      ask: false,
    });
  }
  return list;
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
    const bytes = Buffer.byteLength(JSON.stringify(feed));
    const message = bytes > MAX_FEED_BYTES ? { ...feed, items: [], rows: [], ask: true } : feed;
    live.publish(liveSubjects.feedChat(feed.channel, feed.chat), message);
  }

  // Feeds between our predecessor's last commit and now may never have been sent: readers must ask.
  live.publish(liveSubjects.feedChats, { started: true });
  const running = run();
  const failed = running.then(() => new Promise<never>(() => undefined));
  failed.catch(async (error: unknown) => {
    logger.error({ error: describeError(error) }, "the projection stopped");
    // Damage found at work: the next start builds the file again.
    if (isDamage(error)) await removeModel(options.file);
  });
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
