import { useRef, useState } from "preact/hooks";
import { Icon } from "./icons.tsx";

/** How long "Copied" stands. */
export const copiedForMs = 1600;

/** Puts text on the clipboard, also where the page has no secure context (plain http in a home network). */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = document.createElement("textarea");
    field.value = text;
    field.className = "off-screen";
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }
}

export function CopyButton({ text, label }: { text: string; label: string }) {
  const [done, setDone] = useState(false);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const copy = async (): Promise<void> => {
    if (!(await copyText(text))) return;
    setDone(true);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setDone(false), copiedForMs);
  };
  return (
    <button type="button" class="quiet" onClick={() => void copy()} title={label} aria-label={done ? "Copied" : label}>
      <Icon name={done ? "check" : "copy"} />
      <span>{done ? "Copied" : "Copy"}</span>
    </button>
  );
}
