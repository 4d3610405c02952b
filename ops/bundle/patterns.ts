/**
 * What a secret or a person's data looks like in a text. Pure. It is rather too eager: a word too many in an export is
 * covered, a secret too few is out.
 */

export interface Finding {
  readonly start: number;
  readonly end: number;
  /** Small letters and hyphens. */
  readonly label: string;
  /** Found by the words around it: elsewhere it would look harmless. */
  readonly byContext?: boolean;
}

interface Pattern {
  readonly label: string;
  readonly byContext?: boolean;
  /** Global; what is covered is its first group, or the whole match. */
  readonly form: RegExp;
  /** Length of the covered part that really is one, 0 for none; absent: all of it. */
  readonly accept?: (text: string) => number;
}

/** Words before a password, as people write them. */
const PASSWORD_WORDS = [
  "pass[ _-]?(?:word|wd|phrase|code)",
  "passwort|kennwort|geheimzahl|zugangscode",
  "mot de passe",
  "contrase(?:ñ|n)a|clave",
  "senha|palavra[ -]passe",
  "parola(?: d'ordine)?",
  "wachtwoord",
  "l(?:ö|o)senord|passord|adgangskode|salasana",
  "has(?:ł|l)o|heslo|geslo|lozinka|jelsz(?:ó|o)",
  "(?:ş|s)ifre",
  "пароль|κωδικός",
  "パスワード|密码|密碼|비밀번호",
  "pwd|pw|pin",
].join("|");
/** Words before a key; they also stand before harmless things, so the value must look like one. */
const KEY_WORDS =
  "(?:api|access|secret|private|auth|session)[ _-]?(?:key|token)|client[ _-]?secret|secret|token|geheimnis|schlüssel";
const IS_WORDS = "is|are|was|ist|lautet|war|est|es|é|è|er|är|on|jest|je|это|είναι|是|は|은|는";
/** Text that holds JSON holds its quotes escaped. */
const QUOTE = String.raw`\\*["'\x60„“«]`;
const VALUE = String.raw`(?:${QUOTE}([^"'\x60”»\\]{3,200})|([^\s"'\x60,;„“«]{3,200}))`;
/** What an export itself puts in the place of a secret. */
const COVERED = /^\W*redacted[:-]/;

function luhn(digits: string): boolean {
  let sum = 0;
  for (let index = 0; index < digits.length; index++) {
    const digit = Number(digits[digits.length - 1 - index]);
    const doubled = index % 2 === 1 ? digit * 2 : digit;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}

/** Longest beginning whose digits or letters, blanks apart, pass the test. */
function longestPrefix(text: string, lengths: readonly [number, number], passes: (compact: string) => boolean): number {
  const ends: number[] = [];
  for (let index = 0; index < text.length; index++) if (/[A-Za-z0-9]/.test(text[index] ?? "")) ends.push(index + 1);
  const compact = text.replaceAll(/[^A-Za-z0-9]/g, "");
  for (let length = Math.min(lengths[1], compact.length); length >= lengths[0]; length--)
    if (passes(compact.slice(0, length))) return ends[length - 1] ?? 0;
  return 0;
}

/** ISO 7812: cards begin with 2 to 6; the last digit is Luhn's. */
function cardLength(text: string): number {
  return longestPrefix(text, [13, 19], (digits) => /^[2-6]/.test(digits) && !/^(\d)\1*$/.test(digits) && luhn(digits));
}

/** ISO 13616: modulo 97 over the number with its first four characters at the end and letters as numbers. */
function ibanLength(text: string): number {
  return longestPrefix(text, [15, 34], (compact) => {
    const turned = (compact.slice(4) + compact.slice(0, 4)).toUpperCase();
    let rest = 0;
    for (const character of turned) {
      const value = Number.parseInt(character, 36);
      rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
    }
    return rest === 1;
  });
}

function isVaried(text: string): boolean {
  return new Set(text.replaceAll(/\D/g, "")).size > 1;
}

/** Bits a character, by how often each occurs. */
function entropy(text: string): number {
  const counts = new Map<string, number>();
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / text.length) * Math.log2(count / text.length);
  return bits;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Long, mixed and without a pattern: a key of a kind nobody listed. Paths and names of things are not. */
function randomLength(text: string): number {
  if (UUID.test(text) || COVERED.test(text)) return 0;
  if (/^[0-9a-f]+$/i.test(text)) return text.length >= 32 && /\d/.test(text) && entropy(text) > 3 ? text.length : 0;
  const longest = Math.max(...text.split("/").map((part) => part.length));
  const mixed = /\d/.test(text) && /[a-z]/.test(text) && /[A-Z]/.test(text);
  return mixed && longest >= 20 && entropy(text) > 3.8 ? text.length : 0;
}

function keyLike(text: string): number {
  return !COVERED.test(text) && (/\d/.test(text) || text.length >= 12) ? text.length : 0;
}

function notCovered(text: string): number {
  return COVERED.test(text) ? 0 : text.length;
}

const patterns: readonly Pattern[] = [
  {
    label: "private-key",
    form: /-----BEGIN [A-Z0-9 ]{0,60}(?:PRIVATE KEY|SEED|JWT|SECRET|CREDENTIALS?)[A-Z0-9 ]{0,20}-----[\s\S]*?(?:-{5,6}END [A-Z0-9 ]{1,90}-{5,6}|$)/g,
  },
  { label: "jwt", form: /(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){1,4}/g },
  {
    label: "url-login",
    byContext: true,
    form: /(?<![A-Za-z0-9])[a-z][a-z0-9+.-]{1,20}:\/\/([^\s/:@"'<>]*:[^\s/@"'<>]+)@/gi,
  },
  { label: "bot-token", form: /(?<!\d)\d{6,12}:[A-Za-z0-9_-]{30,64}(?![A-Za-z0-9_-])/g },
  { label: "nats-seed", form: /(?<![A-Z0-9])S[ACNOUX][A-Z2-7]{54,60}(?![A-Z0-9])/g },
  { label: "api-key", form: /(?<![A-Za-z0-9])(?:AKIA|ASIA|AROA|AIDA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Z0-9])/g },
  {
    label: "api-key",
    form: /(?<![A-Za-z0-9])(?:AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{20,})/g,
  },
  {
    label: "api-key",
    form: /(?<![A-Za-z0-9])(?:sk|pk|rk|whsec|gsk|xai|hf|r8|gh[oprsu]|github_pat|gl[a-z]{2,6}|npm|pypi|lin_api|do[oprt]_v1|shp[a-z]{2}|xox[a-z]|xapp|SG|tvly|pplx|nvapi|sntry[su]|dapi|ATATT3|figd|dckr_pat|key|api|AGE-SECRET-KEY)[-_.](?=[A-Za-z0-9_.-]{0,200}\d)[A-Za-z0-9_.-]{12,}[A-Za-z0-9_]/g,
  },
  { label: "bot-token", form: /(?<![A-Za-z0-9])[MNO][A-Za-z\d_-]{23,27}\.[\w-]{6,7}\.[\w-]{27,}/g },
  {
    label: "credential",
    byContext: true,
    form: /(?<![A-Za-z])(?:basic|bearer)\s+(?=\S*[\d=])([A-Za-z0-9+/_.~=-]{8,})/gi,
    accept: notCovered,
  },
  {
    label: "password",
    byContext: true,
    form: new RegExp(String.raw`(?<!\p{L})(?:${PASSWORD_WORDS})(?:${QUOTE})?\s*(?:=>|:=|[:=：])\s*${VALUE}`, "giu"),
    accept: notCovered,
  },
  {
    label: "password",
    byContext: true,
    form: new RegExp(String.raw`(?<!\p{L})(?:${PASSWORD_WORDS})\s*(?:${IS_WORDS})[:：]?\s*${VALUE}`, "giu"),
    accept: notCovered,
  },
  {
    label: "api-key",
    byContext: true,
    form: new RegExp(
      String.raw`(?<!\p{L})(?:${KEY_WORDS})(?:${QUOTE})?\s*(?:=>|:=|[:=：]|\s(?:${IS_WORDS})\s)\s*${VALUE}`,
      "giu",
    ),
    accept: keyLike,
  },
  { label: "email", form: /[\p{L}\p{N}._%+-]{1,64}@(?:[\p{L}\p{N}-]{1,63}\.){1,8}\p{L}{2,24}/gu },
  { label: "iban", form: /(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){11,30}/g, accept: ibanLength },
  { label: "card", form: /(?<!\d)(?<!\d\.)\d(?:[ -]?\d){12,22}/g, accept: cardLength },
  {
    label: "phone",
    form: /(?<![\w+])(?:\+|00)[1-9](?:[ ()./-]{0,2}\d){6,14}(?!\d)/g,
    accept: (text) => (isVaried(text) ? text.length : 0),
  },
  { label: "phone", form: /(?<![\w:-])(?<!\d\.)0\d{1,4}[ /-]{1,3}[1-9](?:[ -]?\d){4,10}(?!\w)/g },
  { label: "phone", form: /(?<![\w:-])(?<!\d\.)0[1-9]\d{8,11}(?!\w)/g },
  { label: "phone", form: /(?<![\w-])(?:\([2-9]\d{2}\)|[2-9]\d{2})[ .-]\d{3}[ .-]\d{4}(?![\w-])/g },
  { label: "token", form: /(?<![A-Za-z0-9+/_=-])[A-Za-z0-9+/_=-]{28,}/g, accept: randomLength },
];

/** Everything found, in no order, parts of it overlapping. */
export function findSecrets(text: string): Finding[] {
  const found: Finding[] = [];
  // Nothing below is that short.
  if (text.length < 5) return found;
  for (const { label, form, accept, byContext = false } of patterns) {
    for (const match of text.matchAll(form)) {
      const part = match.slice(1).find((group) => group !== undefined) ?? match[0];
      const start = match.index + match[0].lastIndexOf(part);
      const trimmed = label === "password" || label === "api-key" ? part.replace(/[.!?)\]}»”]+$/u, "") : part;
      const length = trimmed.length < 3 ? 0 : accept === undefined ? trimmed.length : accept(trimmed);
      if (length > 0) found.push({ start, end: start + length, label, byContext });
    }
  }
  return found;
}

/** Names of members whose value is a secret, whatever it looks like. */
const SECRET_NAME = new RegExp(
  String.raw`(?<!\p{L})(?:${PASSWORD_WORDS}|${KEY_WORDS}|apikey|authorization|cookie|credentials?)$`,
  "iu",
);

export function namesSecret(name: string): boolean {
  return SECRET_NAME.test(name.replaceAll(/(?<=[a-z])(?=[A-Z])/g, "_"));
}
