/** The frame: places, list, content, inspector, status line; and what is shown before there is a session. */
import { Component, type ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { ChatPage } from "../chat/chat-page.tsx";
import { Inspector } from "../log/inspector.tsx";
import { LogPage } from "../log/log-page.tsx";
import { newId } from "../net/api.ts";
import { writeRoute } from "../state/route.ts";
import { announcement, chats, chatState, session } from "../state/page-state.ts";
import { followEvents, showChat } from "../state/store.ts";
import { ChatList } from "./chat-list.tsx";
import { EnterPage } from "./enter-page.tsx";
import { Icon } from "./icons.tsx";
import { closeInspector, go, route } from "./navigation.ts";
import { Splitter } from "./splitter.tsx";
import { Notice, StatusLine, Trouble } from "./status-line.tsx";

/** Room for list and content side by side; the style sheet has the same figure. */
const wide = matchMedia("(min-width: 1024px)");

/** Longer answers are cut for the screen reader's announcement; the answer itself can be read in place. */
const announcedLength = 600;

export function App({ refused }: { refused: string | undefined }) {
  if (session.value === "unknown") return <p class="boot">Taffrail is loading.</p>;
  if (session.value === "out") return <EnterPage refused={refused} />;
  return (
    <Guard>
      <Shell />
    </Guard>
  );
}

function Shell() {
  const { place, chat, of, event } = route.value;
  const list = chats.value;
  const inspects = chat !== undefined && (of !== undefined || event !== undefined);

  useEffect(() => showChat(chat), [chat]);
  useEffect(() => {
    const item = chat === undefined || of === undefined ? undefined : chatState(chat).items.value.byKey.get(of);
    followEvents(place === "log" || inspects ? chat : undefined, item?.seq);
  }, [place, chat, of, inspects]);

  // Without a chat in the address: the newest one where both fit side by side, a new one where there is none.
  useEffect(() => {
    if (chat !== undefined || list === undefined) return;
    const newest = list.toSorted((a, b) => Date.parse(b.lastAt) - Date.parse(a.lastAt))[0];
    if (newest === undefined && place === "chat") go({ place, chat: newId() }, true);
    else if (newest !== undefined && wide.matches) go({ place, chat: newest.chat }, true);
  }, [chat, list, place]);

  useEffect(() => {
    if (!inspects) return undefined;
    const onKey = (key: KeyboardEvent): void => {
      if (key.key === "Escape" && !key.defaultPrevented) closeInspector();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [inspects]);

  const view = list?.find((candidate) => candidate.chat === chat);
  useEffect(() => {
    document.title = `${view?.running === true ? "Running: " : ""}${view?.title || "Taffrail"}`;
  }, [view?.title, view?.running]);

  return (
    <div class={`shell ${chat === undefined ? "shows-list" : "shows-content"} ${inspects ? "inspects" : ""}`}>
      <StatusLine />
      <nav class="rail" aria-label="Places">
        <Place to="chat" icon="chat" label="Chat" />
        <Place to="log" icon="log" label="Log" />
      </nav>
      <ChatList />
      <Splitter property="--list-width" label="Width of the list" side="left" initialPx={280} minPx={200} maxPx={480} />
      <main class="content">
        <Notice />
        {chat !== undefined && <Trouble chat={chat} />}
        {chat === undefined ? (
          <p class="empty">Choose a conversation.</p>
        ) : place === "log" ? (
          <LogPage key={chat} chat={chat} />
        ) : (
          <ChatPage key={chat} chat={chat} />
        )}
      </main>
      {inspects && (
        <>
          <Splitter
            property="--inspector-width"
            label="Width of the inspector"
            side="right"
            initialPx={400}
            minPx={280}
            maxPx={720}
          />
          <Inspector chat={chat} />
        </>
      )}
      <div class="sr" aria-live="polite">
        {announcement.value.slice(0, announcedLength)}
      </div>
    </div>
  );
}

function Place({ to, icon, label }: { to: "chat" | "log"; icon: "chat" | "log"; label: string }) {
  const { place, chat } = route.value;
  return (
    <a
      href={writeRoute({ place: to, ...(chat === undefined ? {} : { chat }) })}
      aria-current={place === to ? "page" : undefined}
    >
      <Icon name={icon} />
      {label}
    </a>
  );
}

/** A fault of the page itself is said, not shown as an empty screen. */
class Guard extends Component<{ children: ComponentChildren }, { fault?: string }> {
  override state: { fault?: string } = {};

  override componentDidCatch(error: unknown): void {
    this.setState({ fault: error instanceof Error ? error.message : String(error) });
  }

  override render() {
    if (this.state.fault === undefined) return this.props.children;
    return (
      <div class="enter" role="alert">
        <h1>The page stopped</h1>
        <p>A fault in the page: {this.state.fault}. Your messages are in the log; nothing is lost.</p>
        <button type="button" class="primary" onClick={() => location.reload()}>
          Reload
        </button>
      </div>
    );
  }
}
