/** Reading a process's settings (plain JSON from the supervisor) with a clear word when one is wrong. */
import { TaffrailError } from "./errors.ts";

export type Settings = Readonly<Record<string, unknown>>;

/** A text setting. @throws CONFIG_INVALID when it is there and no text. */
export function textSetting(settings: Settings, name: string, fallback: string): string {
  const value = settings[name] ?? fallback;
  if (typeof value !== "string") throw new TaffrailError("CONFIG_INVALID", `${name} must be a text`);
  return value;
}

/** A whole number of at least `least`. @throws CONFIG_INVALID */
export function wholeSetting(settings: Settings, name: string, fallback: number, least = 1): number {
  const value = settings[name] ?? fallback;
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < least)
    throw new TaffrailError("CONFIG_INVALID", `${name} must be a whole number of at least ${least}`);
  return value;
}
