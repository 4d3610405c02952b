/** The page's start: takes a one-time link from the address, then shows the conversations or the way in. */
import { render } from "preact";
import { App } from "./shell/app.tsx";
import { applyTheme } from "./shell/theme.ts";
import { readToken } from "./state/route.ts";
import { begin, enter } from "./state/store.ts";

applyTheme();

const token = location.hash.startsWith("#enter=") ? readToken(location.hash) : undefined;
// The token must not stay in the address, where history and a shared screen would keep it.
if (token !== undefined) history.replaceState(null, "", "#/");

const root = document.getElementById("app");
const show = (refused?: string): void => {
  if (root === null) return;
  root.replaceChildren();
  render(<App refused={refused} />, root);
};

if (token === undefined) {
  show();
  await begin();
} else {
  const refused = await enter(token);
  show(refused);
  // A link that was used before is no reason to turn away a browser that has its session.
  if (refused !== undefined) await begin();
}
