import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { Icon } from "../shell/icons.tsx";
import { go, route } from "../shell/navigation.ts";
import { depths } from "../state/event-rows.ts";
import { writeRoute } from "../state/route.ts";
import { chats, eventRows } from "../state/page-state.ts";
import { loadOlderEvents } from "../state/store.ts";
import { EventCells } from "./event-line.tsx";
import { useVirtualRows } from "./virtual-rows.ts";

/** One line on a desk, two on a phone; the style sheet has the same figures. */
const narrow = matchMedia("(max-width: 767px)");
const rowPx = { wide: 32, narrow: 60 };
const atEndPx = 24;

/** The log of one chat, live. */
export function LogPage({ chat }: { chat: string }) {
  const { rows, loaded, more } = eventRows.value;
  const [withIds, setWithIds] = useState(false);
  const [isNarrow, setIsNarrow] = useState(narrow.matches);
  const [active, setActive] = useState<number>();
  const [isAway, setIsAway] = useState(false);
  const scroller = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  const view = chats.value?.find((candidate) => candidate.chat === chat);
  const indents = useMemo(() => depths(rows), [rows]);
  const opened = route.value.event;

  useEffect(() => {
    const onChange = (): void => setIsNarrow(narrow.matches);
    narrow.addEventListener("change", onChange);
    return () => narrow.removeEventListener("change", onChange);
  }, []);

  const virtual = useVirtualRows({
    count: rows.length,
    rowPx: isNarrow ? rowPx.narrow : rowPx.wide,
    getScroller: () => scroller.current,
    getKey: (index) => rows[index]?.seq ?? index,
  });

  const toEnd = (): void => {
    if (rows.length > 0) virtual.scrollToIndex(rows.length - 1, { align: "end" });
  };
  useLayoutEffect(() => {
    if (follows.current) toEnd();
  }, [rows.length, isNarrow]);

  // Rows put in above must not push away what is being read.
  const first = useRef<number>(undefined);
  useLayoutEffect(() => {
    const box = scroller.current;
    const before = first.current === undefined ? -1 : rows.findIndex(({ seq }) => seq === first.current);
    if (before > 0 && box !== null && !follows.current)
      box.scrollTop += before * (isNarrow ? rowPx.narrow : rowPx.wide);
    first.current = rows[0]?.seq;
  }, [rows]);

  const onScroll = (): void => {
    const box = scroller.current;
    if (box === null) return;
    follows.current = box.scrollHeight - box.scrollTop - box.clientHeight < atEndPx;
    setIsAway(!follows.current);
  };

  const open = (seq: number): void => go({ place: "log", chat, event: seq });

  const onKeyDown = (event: KeyboardEvent): void => {
    const index = active === undefined ? -1 : rows.findIndex(({ seq }) => seq === active);
    const moves: Record<string, number> = {
      ArrowDown: index + 1,
      ArrowUp: index < 0 ? rows.length - 1 : index - 1,
      PageDown: index + 15,
      PageUp: index - 15,
      Home: 0,
      End: rows.length - 1,
    };
    const to = moves[event.key];
    if (to !== undefined) {
      event.preventDefault();
      const bounded = Math.max(0, Math.min(rows.length - 1, to));
      setActive(rows[bounded]?.seq);
      virtual.scrollToIndex(bounded);
    } else if ((event.key === "Enter" || event.key === " ") && active !== undefined) {
      event.preventDefault();
      open(active);
    }
  };

  const goBack = (): void => {
    follows.current = false;
    void loadOlderEvents(chat);
  };
  return (
    <>
      <header class="bar">
        <a class="control back" href={writeRoute({ place: "log" })}>
          <Icon name="back" />
          <span class="sr">Conversations</span>
        </a>
        <h2 dir="auto">{view === undefined ? "New conversation" : view.title || "Untitled"}</h2>
        <label class="control toggle">
          <input type="checkbox" checked={withIds} onChange={(event) => setWithIds(event.currentTarget.checked)} />
          Ids
        </label>
      </header>
      <div class="log-head" aria-hidden="true">
        <span>Time</span>
        <span>Type</span>
        <span>{withIds ? "Id" : "Entity"}</span>
        <span>Process</span>
        <span>What happened</span>
      </div>
      <div class="message-area">
        <div
          class="log-rows"
          ref={scroller}
          onScroll={onScroll}
          onKeyDown={onKeyDown}
          tabIndex={0}
          role="listbox"
          aria-label="Events of this conversation"
          aria-activedescendant={active === undefined ? undefined : `event-${active}`}
        >
          {loaded && more && (
            <button type="button" class="quiet older" onClick={goBack}>
              Earlier events
            </button>
          )}
          {!loaded && <p class="empty">Loading the events.</p>}
          {loaded && rows.length === 0 && <p class="empty">Nothing has happened in this conversation yet.</p>}
          <div class="log-space" role="presentation" style={{ height: `${virtual.getTotalSize()}px` }}>
            {virtual.getVirtualItems().map(({ index, start }) => {
              const row = rows[index];
              if (row === undefined) return null;
              return (
                <div
                  key={row.seq}
                  id={`event-${row.seq}`}
                  class={`event-row${row.seq === active ? " active" : ""}`}
                  role="option"
                  aria-selected={row.seq === opened}
                  aria-setsize={rows.length}
                  aria-posinset={index + 1}
                  data-testid="event-row"
                  data-type={row.type}
                  data-seq={row.seq}
                  style={{ transform: `translateY(${start}px)` }}
                  onClick={() => {
                    setActive(row.seq);
                    open(row.seq);
                  }}
                >
                  <EventCells row={row} depth={indents[index] ?? 0} withIds={withIds} />
                </div>
              );
            })}
          </div>
        </div>
        {isAway && (
          <button type="button" class="newest" onClick={toEnd}>
            <Icon name="down" /> Newest
          </button>
        )}
      </div>
    </>
  );
}
