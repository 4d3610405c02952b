import type { MessageView } from "../../schemas/views.ts";
import { Icon } from "../shell/icons.tsx";
import { go, route } from "../shell/navigation.ts";
import { Time } from "../shell/time.tsx";
import type { OutboxEntry } from "../state/outbox.ts";
import { retryMessage, takeBackMessage } from "../state/store.ts";
import { writeDraft } from "./draft.ts";

/** Opens the events behind an item. */
export function EventsButton({ item }: { item: string }) {
  return (
    <button type="button" class="quiet" title="Events behind this" onClick={() => go({ ...route.value, of: item })}>
      <Icon name="events" />
      <span>Events</span>
    </button>
  );
}

/** A person's message as the log has it. */
export function Message({ item }: { item: MessageView }) {
  const state = item.deleted ? "deleted" : item.turn === undefined ? "queued" : "sent";
  return (
    <article class="message" data-testid="message" data-key={item.key} data-message={item.message} data-state={state}>
      <p class="card" dir="auto">
        {item.deleted ? <i>Message deleted</i> : item.text}
      </p>
      <footer class="meta">
        {!item.owner && item.fromName !== "" && <b dir="auto">{item.fromName}</b>}
        {state === "queued" ? (
          <span>Waiting for its turn</span>
        ) : (
          <span class="on-hover">
            {item.edited && "Edited · "}
            Sent <Time at={item.at} />
          </span>
        )}
        <EventsButton item={item.key} />
      </footer>
    </article>
  );
}

/** A message that the log does not show yet. */
export function PendingMessage({ entry }: { entry: OutboxEntry }) {
  const edit = (): void => {
    const taken = takeBackMessage(entry.id);
    if (taken !== undefined) writeDraft(taken.chat, taken.text);
  };
  const state = entry.state === "refused" ? "refused" : "sending";
  return (
    <article class="message" data-testid="message" data-key={entry.id} data-message={entry.id} data-state={state}>
      <p class="card" dir="auto">
        {entry.text}
      </p>
      {entry.state === "refused" ? (
        <div class="meta refused" role="alert">
          <span>
            <Icon name="warn" /> Not sent: {entry.error?.message} {entry.error?.action}
          </span>
          <button type="button" class="quiet" onClick={() => retryMessage(entry.id)}>
            <Icon name="retry" />
            <span>Try again</span>
          </button>
          <button type="button" class="quiet" onClick={edit}>
            <span>Back to the field</span>
          </button>
        </div>
      ) : (
        <footer class="meta">
          <span>Sending</span>
        </footer>
      )}
    </article>
  );
}
