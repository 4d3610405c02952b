/** What a planted change is built into: the replay with all it rests on, from stored bytes. */
import { decodeEvent } from "../../bus/codec.ts";
import { tokenMint } from "../../bus/ids.ts";
import { rawMessage, type StoredMessage } from "../../bus/raw.ts";
import { replay, type ReplayReport, type ReplaySettings } from "../../ops/replay/replay.ts";
import { readerOf } from "../support/entries-reader.ts";

/** Replays stored messages to their first difference, or to the end. */
export async function replayStored(
  messages: readonly StoredMessage[],
  settings: ReplaySettings,
  installKey: Uint8Array,
  toTheEnd = false,
): Promise<ReplayReport> {
  const entries = messages.map((message) => decodeEvent(rawMessage(message)));
  async function* all(): AsyncGenerator<typeof entries> {
    yield await Promise.resolve(entries);
  }
  return replay(all(), {
    settings,
    mint: tokenMint(installKey),
    log: readerOf(entries),
    startSeq: 1,
    all: toTheEnd,
    endMs: (entries.at(-1)?.storedAtMs ?? 0) + 3_600_000,
  });
}
