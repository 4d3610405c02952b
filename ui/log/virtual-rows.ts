import { elementScroll, observeElementOffset, observeElementRect, Virtualizer } from "@tanstack/virtual-core";
import { useLayoutEffect, useReducer, useRef } from "preact/hooks";

interface VirtualRowsOptions {
  count: number;
  rowPx: number;
  getScroller: () => HTMLElement | null;
  getKey: (index: number) => number;
}

/** Rows beyond the window that are kept drawn, so that a quick scroll shows no hole. */
const overscan = 12;

/** Draws only the rows in view. Every row has the same height, so nothing is measured. */
export function useVirtualRows({ count, rowPx, getScroller, getKey }: VirtualRowsOptions) {
  const [, redraw] = useReducer<number, void>((value) => value + 1, 0);
  const held = useRef<Virtualizer<HTMLElement, HTMLElement>>(undefined);
  const options = {
    count,
    getScrollElement: getScroller,
    estimateSize: () => rowPx,
    getItemKey: getKey,
    overscan,
    scrollToFn: elementScroll,
    observeElementRect,
    observeElementOffset,
    onChange: () => redraw(),
  };
  held.current ??= new Virtualizer<HTMLElement, HTMLElement>(options);
  const virtualizer = held.current;
  virtualizer.setOptions({ ...virtualizer.options, ...options });
  useLayoutEffect(() => virtualizer._didMount(), []);
  useLayoutEffect(() => virtualizer._willUpdate());
  useLayoutEffect(() => virtualizer.measure(), [rowPx]);
  return virtualizer;
}
