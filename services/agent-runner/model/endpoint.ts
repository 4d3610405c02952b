// Checks what a person configured before a byte is sent.
// In: a ModelEndpoint. Out: a base URL and a key that fetch takes, or a ModelError that does not repeat either.
// Never: shows the key or a URL's password. fetch itself would: its error texts quote a header value or URL it cannot send.
import { ModelError } from "./port.ts";

/** The base URL without a trailing slash. Throws MODEL_BAD_REQUEST when it is no plain http(s) address. */
export function checkBaseUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:"))
    throw refused("must begin with http:// or https://");
  if (url.username !== "" || url.password !== "") throw refused("must not hold a user or password: use the API key");
  if (url.search !== "" || url.hash !== "") throw refused("must not hold ? or #");
  return `${url.origin}${url.pathname}`.replace(/\/+$/, "");
}

function refused(why: string): ModelError {
  return new ModelError("MODEL_BAD_REQUEST", `The model's base URL ${why}.`);
}

/** The key without blanks around it; undefined when none is set. Throws MODEL_AUTH when a header cannot carry it. */
export function checkApiKey(text: string | undefined): string | undefined {
  const key = text?.trim() ?? "";
  if (key === "") return undefined;
  if (!/^[\x21-\x7e]+$/.test(key))
    throw new ModelError("MODEL_AUTH", "The model's API key holds a character that no key has. Copy it again.");
  return key;
}
