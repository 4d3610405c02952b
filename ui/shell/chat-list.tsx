import type { ChatView } from "../../schemas/views.ts";
import { newId } from "../net/api.ts";
import { writeRoute } from "../state/route.ts";
import { chats } from "../state/page-state.ts";
import { plainLine } from "../words/turn.ts";
import { Icon } from "./icons.tsx";
import { go, route } from "./navigation.ts";
import { Time } from "./time.tsx";

/** The conversations, the newest first. */
export function ChatList() {
  const list = chats.value;
  const { place, chat: current } = route.value;
  const sorted = list?.toSorted((a, b) => Date.parse(b.lastAt) - Date.parse(a.lastAt));
  const isNew = place === "chat" && current !== undefined && list?.every(({ chat }) => chat !== current) === true;
  return (
    <nav class="chat-list" aria-label="Conversations">
      <header class="bar">
        <h1>{place === "log" ? "Log" : "Conversations"}</h1>
        {place === "chat" && (
          <button
            type="button"
            class="control"
            data-testid="new-chat"
            onClick={() => go({ place: "chat", chat: newId() })}
          >
            <Icon name="plus" />
            New
          </button>
        )}
      </header>
      <ul>
        {isNew && (
          <li>
            <a class="chat-entry" href={writeRoute({ place, chat: current })} aria-current="page">
              <span class="title">New conversation</span>
              <span class="last">Not sent yet</span>
            </a>
          </li>
        )}
        {sorted?.map((chat) => (
          <Entry key={chat.chat} chat={chat} isCurrent={chat.chat === current} />
        ))}
      </ul>
      {sorted === undefined && <p class="empty">Loading the conversations.</p>}
      {sorted?.length === 0 && !isNew && (
        <p class="empty">
          {place === "log" ? "The log of a conversation shows here once there is one." : "No conversation yet."}
        </p>
      )}
    </nav>
  );
}

function Entry({ chat, isCurrent }: { chat: ChatView; isCurrent: boolean }) {
  return (
    <li>
      <a
        class="chat-entry"
        data-testid="chat-entry"
        data-chat={chat.chat}
        href={writeRoute({ place: route.value.place, chat: chat.chat })}
        aria-current={isCurrent ? "page" : undefined}
      >
        <span class="title" dir="auto">
          {chat.title === "" ? "Untitled" : chat.title}
        </span>
        {chat.running && <span class="running">Running</span>}
        <span class="last" dir="auto">
          {plainLine(chat.lastText)}
        </span>
        <Time at={chat.lastAt} />
      </a>
    </li>
  );
}
