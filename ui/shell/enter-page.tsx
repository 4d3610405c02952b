import { useState } from "preact/hooks";
import { readToken } from "../state/route.ts";
import { enter } from "../state/store.ts";

/** Shown when this browser has no session: how to get a link, and a field for it. */
export function EnterPage({ refused }: { refused: string | undefined }) {
  const [text, setText] = useState("");
  const [problem, setProblem] = useState(refused);
  const [busy, setBusy] = useState(false);

  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    const token = readToken(text);
    if (token === undefined) {
      setProblem("This is no link of Taffrail. It ends in #enter= and a long word.");
      return;
    }
    setBusy(true);
    setProblem(await enter(token));
    setBusy(false);
  };

  return (
    <main class="enter">
      <h1>Taffrail</h1>
      <p>This browser is not signed in. A one-time link lets it in.</p>
      <ol>
        <li>
          On the machine that runs Taffrail, type <code>taffrail link</code> (or take the link that was printed at the
          start).
        </li>
        <li>Open the link here, or paste it below.</li>
      </ol>
      <form onSubmit={(event) => void submit(event)}>
        <label for="enter-link">Link or token</label>
        <input
          id="enter-link"
          data-testid="enter-link"
          class="field"
          value={text}
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          aria-invalid={problem !== undefined}
          aria-describedby="enter-problem"
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <p id="enter-problem" class="problem" role="alert">
          {problem}
        </p>
        <button type="submit" class="primary" data-testid="enter" disabled={busy}>
          {busy ? "Entering" : "Enter"}
        </button>
      </form>
    </main>
  );
}
