/** The page's address: `#/chat/<id>` or `#/log/<id>`, with `of` (an item) or `event` (a sequence) open in the inspector. Pure. */

export interface Route {
  place: "chat" | "log";
  chat?: string;
  /** Key of the item whose events are shown. */
  of?: string;
  /** Sequence of the event that is shown. */
  event?: number;
  /** Key of the item to bring into view. */
  show?: string;
}

export function readRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [place, chat] = path.split("/", 2);
  const fields = new URLSearchParams(query);
  const of = fields.get("of");
  const show = fields.get("show");
  const event = Number(fields.get("event") ?? Number.NaN);
  return {
    place: place === "log" ? "log" : "chat",
    ...(chat ? { chat: decode(chat) } : {}),
    ...(of ? { of } : {}),
    ...(Number.isSafeInteger(event) && event > 0 ? { event } : {}),
    ...(show ? { show } : {}),
  };
}

export function writeRoute(route: Route): string {
  const fields = new URLSearchParams();
  if (route.of !== undefined) fields.set("of", route.of);
  if (route.event !== undefined) fields.set("event", String(route.event));
  if (route.show !== undefined) fields.set("show", route.show);
  const query = fields.toString();
  const chat = route.chat === undefined ? "" : `/${encodeURIComponent(route.chat)}`;
  return `#/${route.place}${chat}${query === "" ? "" : `?${query}`}`;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The token of a one-time link: from `#enter=TOKEN`, a whole link, or the bare token; undefined when there is none. */
export function readToken(text: string): string | undefined {
  const linked = /#enter=([^&\s]+)/.exec(text)?.[1];
  if (linked !== undefined) return decode(linked);
  const bare = text.trim();
  return /^[A-Za-z0-9_-]{8,}$/.test(bare) ? bare : undefined;
}
