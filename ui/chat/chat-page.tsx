import { Icon } from "../shell/icons.tsx";
import { route } from "../shell/navigation.ts";
import { writeRoute } from "../state/route.ts";
import { openTurn } from "../state/items.ts";
import { chats, chatState } from "../state/page-state.ts";
import { Composer } from "./composer.tsx";
import { MessageList } from "./message-list.tsx";
import { ModelPicker, wishedModel } from "./model-picker.tsx";

/** Chats that are begun here live on this channel. */
const ownChannel = "web";

/** One conversation. */
export function ChatPage({ chat }: { chat: string }) {
  const view = chats.value?.find((candidate) => candidate.chat === chat);
  const channel = view?.channel ?? ownChannel;
  const running = openTurn(chatState(chat).items.value);
  return (
    <>
      <header class="bar">
        <a class="control back" href={writeRoute({ place: route.value.place })}>
          <Icon name="back" />
          <span class="sr">Conversations</span>
        </a>
        <h2 dir="auto">{view === undefined ? "New conversation" : view.title || "Untitled"}</h2>
        <ModelPicker chat={chat} channel={channel} />
      </header>
      <MessageList chat={chat} channel={channel} />
      <Composer
        chat={chat}
        channel={channel}
        running={running}
        model={view === undefined ? wishedModel(chat) : undefined}
      />
    </>
  );
}
