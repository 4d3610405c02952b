/** The page's icons, drawn in the colour of the text. They are decoration: a word always goes with them. */
const paths = {
  chat: "M4 5h16v11H9l-5 4z",
  log: "M5 6h2M10 6h9M5 12h2M10 12h9M5 18h2M10 18h9",
  plus: "M12 5v14M5 12h14",
  back: "M15 5l-7 7 7 7",
  close: "M6 6l12 12M18 6L6 18",
  send: "M12 19V5M6 11l6-6 6 6",
  stop: "M7 7h10v10H7z",
  copy: "M9 9h11v11H9zM15 9V4H4v11h5",
  check: "M5 12.500l4.500 4.500L19 7",
  retry: "M19 12a7 7 0 1 1-2-5M19 4v4h-4",
  tool: "M14 6a4 4 0 0 0 5 5l-8.500 8.500a2.100 2.100 0 0 1-3-3z",
  warn: "M12 4L2.500 20h19zM12 10v4M12 17v.500",
  events: "M5 5v14M5 8h6M5 13h10M5 18h6",
  down: "M12 5v14M6 13l6 6 6-6",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.500 1.500M17.500 17.500L19 19M5 19l1.500-1.500M17.500 6.500L19 5",
  moon: "M20 14A8 8 0 0 1 10 4a8 8 0 1 0 10 10z",
  half: "M12 4a8 8 0 1 0 0 16zM12 4a8 8 0 0 1 0 16",
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={paths[name]} />
    </svg>
  );
}
