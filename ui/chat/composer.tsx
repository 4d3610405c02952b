import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { TurnView } from "../../schemas/views.ts";
import { Icon } from "../shell/icons.tsx";
import { maxOutbox } from "../state/outbox.ts";
import { notice } from "../state/page-state.ts";
import { command, outbox, sendMessage } from "../state/store.ts";
import { draftChange, keepDraft, readDraft } from "./draft.ts";

/** The schema's own bound of a message's text. */
const maxLength = 131_072;

interface ComposerProps {
  chat: string;
  channel: string;
  running: TurnView | undefined;
  /** Model chosen before the chat exists. */
  model: string | undefined;
}

/** Where a message is written. While an answer runs it says what the message does to it, and can stop it. */
export function Composer({ chat, channel, running, model }: ComposerProps) {
  const field = useRef<HTMLTextAreaElement>(null);
  const [text, setText] = useState(() => readDraft(chat));
  const [mode, setMode] = useState<"steer" | "queue">("steer");
  const change = draftChange.value;
  useEffect(() => {
    if (change > 0) setText(readDraft(chat));
  }, [change]);

  useLayoutEffect(() => {
    const area = field.current;
    if (area === null) return;
    area.style.height = "auto";
    area.style.height = `${area.scrollHeight + 2}px`;
  }, [text]);

  // On a phone the focus would open the keyboard over what one came to read.
  useEffect(() => {
    if (matchMedia("(pointer: fine)").matches) field.current?.focus({ preventScroll: true });
  }, []);

  const over = text.length - maxLength;
  const set = (value: string): void => {
    setText(value);
    keepDraft(chat, value);
  };

  const send = (): void => {
    if (text.trim() === "" || over > 0) return;
    if (outbox.value.length >= maxOutbox) {
      notice.value = `${maxOutbox} messages wait to be sent. Send more once the connection is back.`;
      return;
    }
    // While a turn runs the chat has its model; a message that names one could not join the turn.
    if (running === undefined) sendMessage(chat, text, undefined, model);
    else sendMessage(chat, text, mode);
    set("");
    setMode("steer");
    field.current?.focus();
  };

  const onKeyDown = (event: KeyboardEvent): void => {
    // Enter that ends an input method's composition chooses a word, it does not send.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send();
  };

  // A button that took the focus from the field would bring the places back on a phone, and with them move away itself.
  const keepFocus = (event: MouseEvent): void => {
    if (event.target !== field.current) event.preventDefault();
  };

  return (
    <form
      class="composer"
      onMouseDown={keepFocus}
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      {running !== undefined && (
        <div class="while-running">
          <fieldset class="choice">
            <legend class="sr">What your message does while an answer runs</legend>
            <Mode value="steer" current={mode} label="Add to this answer" onChoose={setMode} />
            <Mode value="queue" current={mode} label="After this answer" onChoose={setMode} />
          </fieldset>
          <Stop key={running.turn} chat={chat} channel={channel} turn={running.turn} />
        </div>
      )}
      <div class="writing">
        <textarea
          ref={field}
          data-testid="composer"
          rows={1}
          dir="auto"
          enterkeyhint="send"
          placeholder="Write a message"
          aria-label="Message"
          value={text}
          onInput={(event) => set(event.currentTarget.value)}
          onKeyDown={onKeyDown}
        />
        <button
          type="submit"
          class="primary send"
          data-testid="send"
          disabled={text.trim() === "" || over > 0}
          title="Send (Enter)"
        >
          <Icon name="send" />
          <span class="sr">Send</span>
        </button>
      </div>
      {over > 0 && (
        <p class="problem" role="alert">
          Too long by {over} characters. Shorten it or send it in parts.
        </p>
      )}
    </form>
  );
}

interface ModeProps {
  value: "steer" | "queue";
  current: string;
  label: string;
  onChoose: (value: "steer" | "queue") => void;
}

function Mode({ value, current, label, onChoose }: ModeProps) {
  return (
    <label>
      <input
        type="radio"
        name="mode"
        value={value}
        data-testid={`mode-${value}`}
        checked={current === value}
        onChange={() => onChoose(value)}
      />
      <span>{label}</span>
    </label>
  );
}

/** After this long without an end the wish may be sent anew: it may have been lost with its process. */
const stopAgainMs = 10_000;

function Stop({ chat, channel, turn }: { chat: string; channel: string; turn: string }) {
  const [asked, setAsked] = useState(false);
  useEffect(() => {
    if (!asked) return undefined;
    const timer = setTimeout(() => setAsked(false), stopAgainMs);
    return () => clearTimeout(timer);
  }, [asked]);
  const stop = async (): Promise<void> => {
    setAsked(true);
    if (!(await command({ type: "CancelTurn", channel, chat, turn }))) setAsked(false);
  };
  return (
    <button type="button" class="control stop" data-testid="stop" disabled={asked} onClick={() => void stop()}>
      <Icon name="stop" />
      {asked ? "Stopping" : "Stop"}
    </button>
  );
}
