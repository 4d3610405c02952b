/**
 * Numbers that are a person's: cards, accounts, telephones, addresses of machines. Pure. People also write lists of numbers,
 * and ten lists in a hundred pass a checksum somewhere: what stands in a list is no card and no telephone.
 */
import { isIPv6 } from "node:net";

export interface Stretch {
  readonly start: number;
  readonly end: number;
}

/** Groups in a row, joined alike: a card with its date and code has 7, a telephone number 6; more is a list. */
const MAX_GROUPS = 8;
/** How far a row is followed: far enough for MAX_GROUPS of any number. */
const ROW_CHARS = 200;

function luhn(digits: string): boolean {
  let sum = 0;
  for (let index = 0; index < digits.length; index++) {
    const digit = Number(digits[digits.length - 1 - index]);
    const doubled = index % 2 === 1 ? digit * 2 : digit;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}

/** ISO 7812: cards begin with 2 to 6; the last digit is Luhn's. */
export function isCard(digits: string): boolean {
  return /^[2-6]\d{12,18}$/.test(digits) && !/^(\d)\1*$/.test(digits) && luhn(digits);
}

/** Every number is as far from the next: 2021 2022 2023 2024. */
function isCounting(groups: readonly string[]): boolean {
  const steps = groups.slice(1).map((group, index) => Number(group) - Number(groups[index]));
  return groups.length > 2 && steps.every((step) => step === steps[0]);
}

interface Group extends Stretch {
  readonly digits: string;
}

function groupsOf(row: string): Group[] {
  return [...row.matchAll(/\d+/g)].map((match) => ({
    digits: match[0],
    start: match.index,
    end: match.index + match[0].length,
  }));
}

/** How cards are grouped: of 19, 16, 15 and 14 digits. */
const CARD_SHAPES: readonly (readonly number[])[] = [
  [4, 4, 4, 4, 3],
  [4, 4, 4, 4],
  [4, 6, 5],
  [4, 6, 4],
];

function cardAt(groups: readonly Group[], from: number): number {
  const shape = CARD_SHAPES.find((lengths) => {
    const some = groups.slice(from, from + lengths.length).map(({ digits }) => digits);
    const fits = some.length === lengths.length && some.every((digits, index) => digits.length === lengths[index]);
    return fits && !isCounting(some) && isCard(some.join(""));
  });
  return shape?.length ?? 0;
}

/** Cards in a row of groups; in a long row only when it is nothing but cards. */
export function cardsIn(row: string): Stretch[] {
  const groups = groupsOf(row);
  const found: Stretch[] = [];
  let others = 0;
  for (let from = 0; from < groups.length;) {
    const length = cardAt(groups, from);
    const first = groups[from];
    const last = groups[from + length - 1];
    if (length > 0 && first !== undefined && last !== undefined) found.push({ start: first.start, end: last.end });
    else others++;
    from += Math.max(length, 1);
  }
  return groups.length > MAX_GROUPS && others > 0 ? [] : found;
}

/** Length of the account number at the beginning, 0 for none: it ends where a group ends. ISO 13616: modulo 97. */
export function ibanLength(text: string): number {
  const ends = [...text.matchAll(/[A-Za-z0-9]+/g)].map((match) => match.index + match[0].length);
  return ends.findLast((end) => isIban(text.slice(0, end).replaceAll(/[ -]/g, ""))) ?? 0;
}

function isIban(compact: string): boolean {
  if (compact.length < 15 || compact.length > 34) return false;
  let rest = 0;
  // The first four characters count at the end, letters as numbers.
  for (const character of (compact.slice(4) + compact.slice(0, 4)).toUpperCase()) {
    const value = Number.parseInt(character, 36);
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return rest === 1;
}

/** Whether a found telephone number is part of a list of numbers. Several of them in a row, all grouped alike, are none. */
export function isInList(text: string, { start, end }: Stretch): boolean {
  const own = groupsOf(text.slice(start, end)).map(({ digits }) => digits);
  if (isCounting(own)) return true;
  const before = /(?:\d+[ ./-])+$/.exec(text.slice(Math.max(0, start - ROW_CHARS), start))?.[0] ?? "";
  const behind = /^(?:[ ./-]\d+)+/.exec(text.slice(end, end + ROW_CHARS))?.[0] ?? "";
  const row = groupsOf(before + text.slice(start, end) + behind).map(({ digits }) => digits.length);
  if (row.length <= MAX_GROUPS) return false;
  return row.some((length, index) => length !== own[index % own.length]?.length);
}

export function isVaried(text: string): boolean {
  return new Set(text.replaceAll(/\D/g, "")).size > 1;
}

/** The own machine is everybody's. */
export function isForeignIpv4(text: string): boolean {
  return !/^(?:127\.|0\.0\.0\.0$)/.test(text);
}

/** A short one such as a::b is rather a name in a program. */
export function isForeignIpv6(text: string): boolean {
  if (!isIPv6(text) || !/\d/.test(text)) return false;
  return /^[23f][0-9a-f]{3}:/i.test(text) || text.split(":").filter((group) => group !== "").length > 2;
}
