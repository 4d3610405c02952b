import { connectionWords, healthWords } from "../state/connection.ts";
import { chatTrouble, connection, health, newVersion, notice } from "../state/page-state.ts";
import { quickNow } from "./clock.ts";
import { Icon } from "./icons.tsx";
import { nextTheme, theme } from "./theme.ts";

const themeWords = { system: "Theme: as the system", light: "Theme: light", dark: "Theme: dark" };
const themeIcons = { system: "half", light: "sun", dark: "moon" } as const;

/** Connection, processes and theme, always in view. */
export function StatusLine() {
  const current = connection.value;
  const words = connectionWords(current, current.state === "lost" ? quickNow.value : 0);
  const state = healthWords(health.value);
  return (
    <footer class="status-line">
      <span class={`connection connection-${current.state}`} data-testid="connection" data-state={current.state}>
        <span class="dot" aria-hidden="true" />
        <span role="status">{current.state === "lost" ? <LostWords words={words} /> : words}</span>
      </span>
      {state.text !== "" && (
        <span class={state.attention ? "health attention" : "health"} title={state.text}>
          {state.attention && <Icon name="warn" />}
          {state.text}
        </span>
      )}
      {newVersion.value !== undefined && (
        <button type="button" class="quiet attention" onClick={() => location.reload()}>
          Version {newVersion.value} is here. Reload
        </button>
      )}
      <button type="button" class="quiet theme" onClick={nextTheme} title={themeWords[theme.value]}>
        <Icon name={themeIcons[theme.value]} />
        <span class="sr">{themeWords[theme.value]}, change</span>
      </button>
    </footer>
  );
}

/** The countdown is for the eye; a screen reader hears once that the connection is lost. */
function LostWords({ words }: { words: string }) {
  return (
    <>
      <span class="sr">Connection lost, trying again</span>
      <span aria-hidden="true">{words}</span>
    </>
  );
}

/** Said while the view of the open chat does not answer; what is shown is then what was known before. */
export function Trouble({ chat }: { chat: string }) {
  const trouble = chatTrouble.value;
  if (trouble?.chat !== chat) return null;
  return (
    <div class="notice" role="status" title={trouble.message}>
      <Icon name="warn" />
      <p>The view of this conversation does not answer. Trying again; nothing is lost.</p>
    </div>
  );
}

/** What went wrong last, until it is closed. */
export function Notice() {
  if (notice.value === undefined) return null;
  return (
    <div class="notice" role="alert">
      <Icon name="warn" />
      <p dir="auto">{notice.value}</p>
      <button type="button" class="quiet" onClick={() => (notice.value = undefined)}>
        <Icon name="close" />
        <span>Close</span>
      </button>
    </div>
  );
}
