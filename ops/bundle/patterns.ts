/**
 * What a secret or a person's data looks like in a text. Pure. It is rather too eager: a word too many in an export is
 * covered, a secret too few is out.
 */
import {
  cardsIn,
  ibanLength,
  isCard,
  isForeignIpv4,
  isForeignIpv6,
  isInList,
  isVaried,
  type Stretch,
} from "./numbers.ts";

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
  /** Several in one match, by their places in it. */
  readonly parts?: (text: string) => readonly Stretch[];
  /** It is none in a list of numbers. */
  readonly outsideLists?: boolean;
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
  "(?:api|access|secret|private|auth|session|wi-?fi|wlan|wpa[23]?|network|router|pre-?shared)[ _-]?(?:key|token|schlüssel)|psk|client[ _-]?secret|secret|token|geheimnis|schlüssel";
const IS_WORDS = "is|are|was|ist|lautet|war|est|es|é|è|er|är|on|jest|je|это|είναι|是|は|은|는";
/** What the password is for, between its word and what it is. */
const FOR_WHAT = String.raw`\s+(?:for|to|of|at|on|in|from|f(?:ü|ue?)r|von|vom|zum|zur|des|der|beim|pour|du|de|para|del|per)\s[^.!?:;=\n]{1,60}?`;
/** Text that holds JSON holds its quotes escaped. */
const QUOTE = String.raw`\\*["'\x60„“«]`;
const VALUE = String.raw`(?:${QUOTE}([^"'\x60”»\\]{3,200})|([^\s"'\x60,;„“«]{3,200}))`;
/** What an export itself puts in the place of a secret. */
const COVERED = /^\W*redacted[:-]/;

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

/** Ends of addresses that are spoken; other short words would make one of "look at the dot in it". */
const SPOKEN_ENDS = "com|org|net|edu|gov|info|biz|dev|app|io|ai|eu|de|at|ch|uk|fr|es|nl|pl|se|us|ca|au|example|test";

/**
 * A sentence ends behind a password too. A full stop and a bracket opened before it are the sentence's; other signs only
 * where the password is a plain word.
 */
function withoutSentence(part: string): string {
  const word = part.replace(/[.,!?)\]}»”]+$/u, "");
  if (/^\p{L}*$/u.test(word)) return word;
  let rest = part.replace(/[.,]+$/, "");
  for (const [open, close] of ["()", "[]", "{}", "«»", "“”"])
    if (rest.endsWith(close ?? "") && !rest.includes(open ?? "")) rest = rest.slice(0, -1).replace(/[.,]+$/, "");
  return rest;
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
    form: new RegExp(
      String.raw`(?<!\p{L})(?:${PASSWORD_WORDS})(?:${QUOTE}|${FOR_WHAT})?\s*(?:=>|:=|[:=：])\s*${VALUE}`,
      "giu",
    ),
    accept: notCovered,
  },
  {
    label: "password",
    byContext: true,
    form: new RegExp(String.raw`(?<!\p{L})(?:${PASSWORD_WORDS})\s*(?:${IS_WORDS})[:：]?\s*${VALUE}`, "giu"),
    accept: notCovered,
  },
  {
    label: "password",
    byContext: true,
    form: new RegExp(
      String.raw`(?<!\p{L})(?:${PASSWORD_WORDS})${FOR_WHAT}\s(?:${IS_WORDS})(?:[:：]\s*|\s+)${VALUE}`,
      "giu",
    ),
    accept: notCovered,
  },
  {
    label: "password",
    byContext: true,
    form: new RegExp(String.raw`(?<!\p{L})(?:${PASSWORD_WORDS}|puk)(?:[ -]?code)?\s+(?=\S{0,100}\d)${VALUE}`, "giu"),
    accept: (text) => (/\d/.test(text) && text.length >= 4 ? notCovered(text) : 0),
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
  {
    label: "email",
    form: new RegExp(
      String.raw`(?<![\p{L}\p{N}])[\p{L}\p{N}._%+-]{1,64}\s+at\s+(?:[\p{L}\p{N}-]{1,63}\s+(?:dot|punkt)\s+){1,4}(?:${SPOKEN_ENDS})(?![\p{L}\p{N}])`,
      "giu",
    ),
  },
  {
    label: "email",
    form: /(?<![\p{L}\p{N}])[\p{L}\p{N}._%+-]{1,64}\s?[[({]\s?(?:at|ät)\s?[\])}]\s?(?:[\p{L}\p{N}-]{1,63}(?:\.|\s?[[({]\s?(?:dot|punkt)\s?[\])}]\s?|\s+(?:dot|punkt)\s+)){1,4}\p{L}{2,24}/giu,
  },
  { label: "iban", form: /(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){11,30}/g, accept: ibanLength },
  { label: "card", form: /(?<!\d)(?<!\d\.)\d{13,19}(?!\d)/g, accept: (text) => (isCard(text) ? text.length : 0) },
  // A row is joined by one kind of separator.
  { label: "card", form: /(?<!\d)\d+(?: \d+){2,}/g, parts: cardsIn },
  { label: "card", form: /(?<!\d)\d+(?:[\u00a0\u202f]\d+){2,}/g, parts: cardsIn },
  { label: "card", form: /(?<!\d)\d+(?:-\d+){2,}/g, parts: cardsIn },
  { label: "card", form: /(?<!\d)\d+(?:\.\d+){2,}/g, parts: cardsIn },
  {
    label: "ssn",
    form: /(?<![\w-])(?<!\d\.)(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])/g,
  },
  {
    label: "ssn",
    form: /(?<![A-Za-z])(?:ssn|social security(?: (?:number|no\.?))?)(?:\s+is)?[\s:#=]{1,3}(\d{3}[ -]?\d{2}[ -]?\d{4})(?!\d)/gi,
  },
  {
    label: "ip",
    form: /(?<![A-Za-z0-9.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?!\w|\.\d)/g,
    accept: (text) => (isForeignIpv4(text) ? text.length : 0),
  },
  {
    label: "ip",
    form: /(?<![\w:.])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?!\w)/gi,
    accept: (text) => (isForeignIpv6(text) ? text.length : 0),
  },
  {
    label: "phone",
    outsideLists: true,
    form: /(?<![\w+])(?:\+|00)[1-9](?:[ ()./-]{0,2}\d){6,14}(?!\d)/g,
    accept: (text) => (isVaried(text) ? text.length : 0),
  },
  {
    label: "phone",
    outsideLists: true,
    form: /(?<![\w:-])(?<!\d\.)0\d{1,4}[ /-]{1,3}[1-9](?:[ -]?\d){4,10}(?!\w)/g,
  },
  { label: "phone", form: /(?<![\w:-])(?<!\d\.)0[1-9]\d{8,11}(?!\w)/g },
  {
    label: "phone",
    outsideLists: true,
    form: /(?<![\w-])(?:\([2-9]\d{2}\)|[2-9]\d{2})[ .-]\d{3}[ .-]\d{4}(?![\w-])/g,
  },
  { label: "token", form: /(?<![A-Za-z0-9+/_=-])[A-Za-z0-9+/_=-]{28,}/g, accept: randomLength },
];

/** Everything found, in no order, parts of it overlapping. */
export function findSecrets(text: string): Finding[] {
  const found: Finding[] = [];
  // Nothing below is that short.
  if (text.length < 5) return found;
  for (const { label, form, accept, parts, outsideLists = false, byContext = false } of patterns) {
    for (const match of text.matchAll(form)) {
      if (parts !== undefined) {
        for (const { start, end } of parts(match[0]))
          found.push({ start: match.index + start, end: match.index + end, label, byContext });
        continue;
      }
      const part = match.slice(1).find((group) => group !== undefined) ?? match[0];
      const start = match.index + match[0].lastIndexOf(part);
      const trimmed = label === "password" || label === "api-key" ? withoutSentence(part) : part;
      const length = trimmed.length < 3 ? 0 : accept === undefined ? trimmed.length : accept(trimmed);
      const end = start + length;
      if (length > 0 && !(outsideLists && isInList(text, { start, end }))) found.push({ start, end, label, byContext });
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
