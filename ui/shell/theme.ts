/** Light, dark, or as the system says; the choice is kept on this device. */
import { signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";

const storageKey = "taffrail.theme";

function readTheme(): Theme {
  const stored = localStorage.getItem(storageKey);
  return stored === "light" || stored === "dark" ? stored : "system";
}

export const theme = signal<Theme>(readTheme());

/** Puts the choice on the document, where the style sheet reads it. */
export function applyTheme(): void {
  if (theme.value === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme.value;
}

const order: Theme[] = ["system", "light", "dark"];

/** System, light, dark, and again. */
export function nextTheme(): void {
  theme.value = order[(order.indexOf(theme.value) + 1) % order.length] ?? "system";
  if (theme.value === "system") localStorage.removeItem(storageKey);
  else localStorage.setItem(storageKey, theme.value);
  applyTheme();
}
