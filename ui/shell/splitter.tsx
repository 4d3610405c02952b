/** A bar between two columns: dragged, or moved with the arrow keys. The width is kept on this device. */
import { useLayoutEffect, useRef } from "preact/hooks";

interface SplitterProps {
  /** Custom property on the document that holds the width. */
  property: "--list-width" | "--inspector-width";
  label: string;
  /** The side its column lies on. */
  side: "left" | "right";
  initialPx: number;
  minPx: number;
  maxPx: number;
}

const stepPx = 16;

export function Splitter({ property, label, side, initialPx, minPx, maxPx }: SplitterProps) {
  const bar = useRef<HTMLDivElement>(null);
  const width = useRef(initialPx);
  const storageKey = `taffrail${property}`;

  const set = (px: number): void => {
    width.current = Math.round(Math.min(maxPx, Math.max(minPx, px)));
    document.documentElement.style.setProperty(property, `${width.current}px`);
    bar.current?.setAttribute("aria-valuenow", String(width.current));
  };

  useLayoutEffect(() => {
    const stored = Number(localStorage.getItem(storageKey) ?? Number.NaN);
    set(Number.isFinite(stored) ? stored : initialPx);
  }, []);

  const keep = (): void => localStorage.setItem(storageKey, String(width.current));

  const onPointerDown = (down: PointerEvent): void => {
    const target = bar.current;
    if (target === null) return;
    const from = width.current;
    target.setPointerCapture(down.pointerId);
    const move = (event: PointerEvent): void =>
      set(from + (side === "left" ? event.clientX - down.clientX : down.clientX - event.clientX));
    const up = (): void => {
      target.removeEventListener("pointermove", move);
      keep();
    };
    target.addEventListener("pointermove", move);
    target.addEventListener("pointerup", up, { once: true });
    target.addEventListener("pointercancel", up, { once: true });
  };

  const onKeyDown = (event: KeyboardEvent): void => {
    const direction = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (direction === 0) return;
    event.preventDefault();
    set(width.current + direction * stepPx * (side === "left" ? 1 : -1));
    keep();
  };

  return (
    <div
      ref={bar}
      class={`splitter splitter-${side}`}
      role="separator"
      aria-orientation="vertical"
      aria-label={label}
      aria-valuemin={minPx}
      aria-valuemax={maxPx}
      tabIndex={0}
      onPointerDown={onPointerDown}
      onKeyDown={onKeyDown}
    />
  );
}
