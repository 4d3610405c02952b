import { memo } from "preact/compat";
import { useRef } from "preact/hooks";
import { copiedForMs, copyText } from "../shell/copy.tsx";
import { renderBlocks, type Block } from "./markdown.ts";

interface AnswerProps {
  text: string;
  /** Test hook of the turn's own text. */
  testId?: "turn-text";
  writing?: boolean;
}

/** Markdown text of an answer; its code can be copied and wrapped. */
export const Answer = memo(function Answer({ text, testId, writing = false }: AnswerProps) {
  const held = useRef<Block[]>([]);
  held.current = renderBlocks(text, held.current);
  return (
    <div class="markdown" data-testid={testId} data-writing={writing} onClick={onClick}>
      {held.current.map((block, index) => (
        <div key={index} class="block" dangerouslySetInnerHTML={{ __html: block.html }} />
      ))}
    </div>
  );
});

/** The buttons lie in cleaned HTML, so one listener on the answer serves them all. */
function onClick(event: MouseEvent): void {
  const button = event.target instanceof Element ? event.target.closest("button[data-act]") : null;
  const code = button?.closest(".code");
  if (button === null || code === null || code === undefined) return;
  if (button.getAttribute("data-act") === "wrap") {
    const wraps = code.classList.toggle("wraps");
    button.setAttribute("aria-pressed", String(wraps));
    return;
  }
  void copyText(code.querySelector("code")?.textContent ?? "").then((done) => {
    if (!done) return;
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), copiedForMs);
  });
}
