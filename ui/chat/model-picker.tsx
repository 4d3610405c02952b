import { useEffect } from "preact/hooks";
import { signal } from "@preact/signals";
import type { ChatView, ModelsView } from "../../schemas/views.ts";
import { chats, models } from "../state/page-state.ts";
import { command } from "../state/store.ts";

/** Models chosen and not yet confirmed by the chat's own view, by chat. */
const wishes = signal<ReadonlyMap<string, string>>(new Map());

function wish(chat: string, model: string | undefined): void {
  const next = new Map(wishes.value);
  if (model === undefined) next.delete(chat);
  else next.set(chat, model);
  wishes.value = next;
}

/** The model wished for a chat that does not exist yet; its first message carries it. */
export function wishedModel(chat: string): string | undefined {
  return wishes.value.get(chat);
}

const where = (isLocal: boolean): string => (isLocal ? "local" : "cloud");

/** The model of this chat, each marked as local or cloud. */
export function ModelPicker({ chat, channel }: { chat: string; channel: string }) {
  const known = models.value;
  const view = chats.value?.find((candidate) => candidate.chat === chat);
  const wished = wishes.value.get(chat);
  useSettledWish(chat, channel, view, wished, known);
  if (known === undefined) return null;
  const current = wished ?? view?.model ?? known.configured;
  const isKnown = known.choices.some(({ id }) => id === current);

  const choose = async (model: string): Promise<void> => {
    wish(chat, model);
    if (view !== undefined && !(await command({ type: "SelectChatModel", channel, chat, model })))
      wish(chat, undefined);
  };

  return (
    <label class="model-picker">
      <span class="sr">Model of this conversation</span>
      <select data-testid="model-picker" value={current} onChange={(event) => void choose(event.currentTarget.value)}>
        {!isKnown && <option value={current}>{current}</option>}
        {known.choices.map(({ id, name, local }) => (
          <option key={id} value={id}>
            {name} ({where(local)})
          </option>
        ))}
      </select>
    </label>
  );
}

/** Longer than a command takes; then the picker shows what the chat says, not what was wished. */
const wishForMs = 10_000;

/** A wish ends when the chat's view says the same; one made before the chat existed is sent once it does. */
function useSettledWish(
  chat: string,
  channel: string,
  view: ChatView | undefined,
  wished: string | undefined,
  known: ModelsView | undefined,
): void {
  const exists = view !== undefined;
  const isTrue = exists && wished !== undefined && (view.model ?? known?.configured) === wished;
  useEffect(() => {
    if (isTrue) wish(chat, undefined);
  }, [isTrue]);
  useEffect(() => {
    if (!exists || wished === undefined || isTrue) return undefined;
    const timer = setTimeout(() => wish(chat, undefined), wishForMs);
    return () => clearTimeout(timer);
  }, [exists, wished, isTrue]);
  useEffect(() => {
    if (exists && wished !== undefined && !isTrue)
      void command({ type: "SelectChatModel", channel, chat, model: wished });
  }, [exists]);
}
