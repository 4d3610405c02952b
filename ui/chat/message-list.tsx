import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { MessageView } from "../../schemas/views.ts";
import { Icon } from "../shell/icons.tsx";
import { go, route } from "../shell/navigation.ts";
import { visibleItems } from "../state/items.ts";
import { chatState } from "../state/page-state.ts";
import { loadOlder, outbox } from "../state/store.ts";
import { Message, PendingMessage } from "./message.tsx";
import { Turn } from "./turn.tsx";

/** Nearer to the end than this the reader follows it. */
const followPx = 48;
/** Pages of older items loaded in search of one item, before giving up: 1,000 items. */
const maxSearchPages = 20;
const shownForMs = 2500;

/** The conversation. The reader's place is theirs: only a reader at the end is taken along. */
export function MessageList({ chat, channel }: { chat: string; channel: string }) {
  const state = chatState(chat);
  const items = state.items.value;
  const streams = state.streams.value;
  const pending = outbox.value.filter((entry) => entry.chat === chat);
  const { list, steered } = visibleItems(items);
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  const [isAway, setIsAway] = useState(false);
  const [isLoading, setIsLoading] = useState(false);

  const toEnd = (): void => {
    const box = scroller.current;
    if (box !== null) box.scrollTop = box.scrollHeight;
  };

  const onScroll = (): void => {
    const box = scroller.current;
    if (box === null) return;
    follows.current = box.scrollHeight - box.scrollTop - box.clientHeight < followPx;
    setIsAway(!follows.current);
  };

  useEffect(() => {
    const grown = new ResizeObserver(() => follows.current && toEnd());
    if (content.current !== null) grown.observe(content.current);
    if (scroller.current !== null) grown.observe(scroller.current);
    return () => grown.disconnect();
  }, []);

  // One's own new message is where one wants to be.
  const newest = pending.at(-1)?.id;
  useLayoutEffect(() => {
    if (newest === undefined) return;
    follows.current = true;
    toEnd();
  }, [newest]);

  const older = async (): Promise<void> => {
    setIsLoading(true);
    await loadOlder(chat);
    setIsLoading(false);
  };

  // Not every browser anchors the scroll when something is put in above; where it does, the difference is nothing.
  const first = list[0]?.key;
  const place = useRef<{ first: string | undefined; height: number }>({ first: undefined, height: 0 });
  useLayoutEffect(() => {
    const box = scroller.current;
    if (box === null) return;
    const { first: before, height } = place.current;
    const isPrepended = before !== undefined && first !== before && items.byKey.has(before);
    if (isPrepended && !follows.current && box.scrollTop < 1) box.scrollTop += box.scrollHeight - height;
    place.current = { first, height: box.scrollHeight };
  });

  useShow(chat, scroller, follows);

  return (
    <div class="message-area">
      <div
        class="messages"
        ref={scroller}
        onScroll={onScroll}
        tabIndex={0}
        role="log"
        aria-live="off"
        aria-label="Conversation"
      >
        <div class="column" ref={content}>
          {items.more && (
            <button type="button" class="quiet older" disabled={isLoading} onClick={() => void older()}>
              {isLoading ? "Loading earlier messages" : "Earlier messages"}
            </button>
          )}
          {!items.loaded && pending.length === 0 && <p class="empty">Loading the conversation.</p>}
          {items.loaded && list.length === 0 && pending.length === 0 && <Empty />}
          {list.map((item) =>
            item.kind === "message" ? (
              <Message key={`m-${item.message}`} item={item} />
            ) : (
              <Turn
                key={item.key}
                turn={item}
                stream={streams.get(item.turn)}
                steered={item.steps.some((step) => step.type === "steered") ? steered : noneSteered}
                chat={chat}
                channel={channel}
              />
            ),
          )}
          {pending.map((entry) => (
            <PendingMessage key={`m-${entry.id}`} entry={entry} />
          ))}
        </div>
      </div>
      {isAway && (
        <button type="button" class="newest" onClick={toEnd}>
          <Icon name="down" /> Newest
        </button>
      )}
    </div>
  );
}

const noneSteered: ReadonlyMap<string, MessageView> = new Map();

/** Brings the item the address names into view, loading older pages until it is there. */
function useShow(chat: string, scroller: { current: HTMLDivElement | null }, follows: { current: boolean }): void {
  const wanted = route.value.show;
  const { loaded, order, more } = chatState(chat).items.value;
  const pages = useRef(0);
  useEffect(() => {
    if (wanted === undefined || !loaded) return;
    const element = scroller.current?.querySelector(`[data-key="${CSS.escape(wanted)}"]`);
    if (element === null || element === undefined) {
      if (more && pages.current++ < maxSearchPages) void loadOlder(chat);
      return;
    }
    pages.current = 0;
    follows.current = false;
    element.scrollIntoView({ block: "center" });
    element.classList.add("shown");
    setTimeout(() => element.classList.remove("shown"), shownForMs);
    const { show: _show, ...rest } = route.value;
    go(rest, true);
  }, [wanted, loaded, order.length]);
}

function Empty() {
  return (
    <div class="empty welcome">
      <h2>A new conversation</h2>
      <p>Write a message below. Every step of the answer is kept in the log.</p>
    </div>
  );
}
