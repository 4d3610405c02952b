/** Collects what comes quickly and hands it on once a drawn frame, so that fifty tokens a second are not fifty renders. */

/** In a hidden tab no frame is drawn; what waits must not wait for ever. */
const hiddenFlushMs = 200;

export interface FrameQueue<T> {
  add(value: T): void;
  /** Hands on now what waits. */
  flush(): void;
}

export function createFrameQueue<T>(take: (values: T[]) => void): FrameQueue<T> {
  let waiting: T[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  const flush = (): void => {
    clearTimeout(timer);
    if (waiting.length === 0) return;
    const values = waiting;
    waiting = [];
    take(values);
  };
  return {
    flush,
    add(value) {
      waiting.push(value);
      if (waiting.length > 1) return;
      if (document.visibilityState === "visible") requestAnimationFrame(flush);
      timer = setTimeout(flush, hiddenFlushMs);
    },
  };
}
