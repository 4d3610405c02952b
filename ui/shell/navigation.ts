/** The address as a signal, and the ways to change it. */
import { signal } from "@preact/signals";
import { readRoute, writeRoute, type Route } from "../state/route.ts";

export const route = signal<Route>(readRoute(location.hash));

addEventListener("hashchange", () => {
  // A one-time link opened in a tab that already shows the page changes only the fragment.
  if (location.hash.startsWith("#enter=")) return location.reload();
  route.value = readRoute(location.hash);
});

/** Goes to a place; `replace` leaves no step back. */
export function go(to: Route, replace = false): void {
  const hash = writeRoute(to);
  if (replace) history.replaceState(null, "", hash);
  else history.pushState(null, "", hash);
  route.value = to;
}

/** Closes the inspector, the place stays. */
export function closeInspector(): void {
  const { place, chat } = route.value;
  go({ place, ...(chat === undefined ? {} : { chat }) });
}
