import { useEffect, useRef, useState } from "preact/hooks";
import { api } from "../net/api.ts";
import { CopyButton } from "../shell/copy.tsx";
import { Icon } from "../shell/icons.tsx";
import { closeInspector, go, route } from "../shell/navigation.ts";
import { depths, eventsOf, itemOf } from "../state/event-rows.ts";
import { chatState, eventRows } from "../state/page-state.ts";
import { attempt } from "../state/store.ts";
import { EventCells } from "./event-line.tsx";

/** The events behind a message or turn, or one event as it lies in the log. */
export function Inspector({ chat }: { chat: string }) {
  const { event, of } = route.value;
  const close = useRef<HTMLButtonElement>(null);
  // Whoever opened it by keyboard goes on inside it.
  useEffect(() => close.current?.focus(), []);
  return (
    <aside class="inspector" aria-label="Inspector" data-testid="inspector">
      <header class="bar">
        {event !== undefined && of !== undefined && (
          <button type="button" class="control" onClick={() => go({ ...withoutEvent(), of })}>
            <Icon name="back" />
            <span class="sr">Events of the item</span>
          </button>
        )}
        <h2>{event === undefined ? "Events behind this" : `Event ${event}`}</h2>
        <button type="button" class="control" ref={close} onClick={closeInspector} title="Close (Esc)">
          <Icon name="close" />
          <span class="sr">Close</span>
        </button>
      </header>
      {event !== undefined ? (
        <RawEvent key={event} chat={chat} seq={event} />
      ) : (
        <EventsOfItem chat={chat} of={of ?? ""} />
      )}
    </aside>
  );
}

function withoutEvent() {
  const { event: _event, ...rest } = route.value;
  return rest;
}

function EventsOfItem({ chat, of }: { chat: string; of: string }) {
  const item = chatState(chat).items.value.byKey.get(of);
  const { rows, loaded } = eventRows.value;
  if (item === undefined) return <p class="empty">Loading the item.</p>;
  const found = eventsOf(item, rows);
  const indents = depths(found);
  if (!loaded) return <p class="empty">Loading the events.</p>;
  if (found.length === 0)
    return (
      <div class="empty">
        <p>The events of this item are not among those loaded.</p>
        <button type="button" class="control" onClick={() => go({ ...route.value, event: item.seq })}>
          Open its first event
        </button>
      </div>
    );
  return (
    <ul class="event-list">
      {found.map((row, index) => (
        <li key={row.seq}>
          <button
            type="button"
            class="event-row"
            data-testid="event-row"
            data-type={row.type}
            data-seq={row.seq}
            onClick={() => go({ ...route.value, event: row.seq })}
          >
            <EventCells row={row} depth={indents[index] ?? 0} withIds={false} />
          </button>
        </li>
      ))}
    </ul>
  );
}

function RawEvent({ chat, seq }: { chat: string; seq: number }) {
  const [raw, setRaw] = useState<string>();
  const [failed, setFailed] = useState(false);
  const row = eventRows.value.bySeq.get(seq);
  const item = row === undefined ? undefined : itemOf(row, chatState(chat).items.value.byKey.values());

  useEffect(() => {
    let current = true;
    void attempt(() => api.event(seq)).then((value) => {
      if (!current) return;
      if (value === undefined) setFailed(true);
      else setRaw(JSON.stringify(value, null, 2));
    });
    return () => {
      current = false;
    };
  }, [seq]);

  return (
    <div class="raw">
      {row !== undefined && (
        <>
          <p class="line" dir="auto">
            <b>{row.type}</b> {row.line}
          </p>
          <dl>
            <Field name="Id" value={row.id} />
            <Field name="Cause" value={row.causationId ?? "none"} />
            <Field name="Subject" value={row.subject} />
            <Field name="Process" value={row.source} />
          </dl>
        </>
      )}
      <div class="actions">
        {item !== undefined && (
          <button
            type="button"
            class="control"
            data-testid="show-message"
            onClick={() => go({ place: "chat", chat, show: item.key })}
          >
            <Icon name="chat" />
            Show in the conversation
          </button>
        )}
        {raw !== undefined && <CopyButton text={raw} label="Copy the event" />}
      </div>
      {raw !== undefined && (
        <pre data-testid="raw-event" tabIndex={0}>
          {raw}
        </pre>
      )}
      {raw === undefined && <p class="empty">{failed ? "The event could not be read." : "Loading the event."}</p>}
    </div>
  );
}

function Field({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd class="figure">{value}</dd>
    </div>
  );
}
