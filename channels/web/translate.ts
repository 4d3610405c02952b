/** From HTTP bodies to events. Pure: what is wrong with a body is said in one sentence. */
import type { DataOf } from "../../schemas/index.ts";

/** 128 KiB characters is the schema's bound of a text; a message that long is a file. */
const MAX_TEXT_CHARS = 32_768;
const MAX_ID_CHARS = 256;
const MODES = ["queue", "steer", "interrupt"] as const;

export type Checked<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string };

export interface Sender {
  readonly id: string;
  readonly name: string;
  readonly owner: boolean;
}

function fault(problem: string): { ok: false; problem: string } {
  return { ok: false, problem };
}

/** Ids of the outside: any text without control characters. */
export function checkId(value: unknown, name: string): Checked<string> {
  if (typeof value !== "string" || value === "") return fault(`${name} must be a text that is not empty`);
  if (value.length > MAX_ID_CHARS) return fault(`${name} must have at most ${MAX_ID_CHARS} characters`);
  if (/\p{Cc}/u.test(value)) return fault(`${name} must not hold control characters`);
  // A lone surrogate cannot be written as UTF-8: two such ids would meet.
  return value.isWellFormed() ? { ok: true, value } : fault(`${name} is no well-formed text`);
}

function checkText(value: unknown): Checked<string> {
  if (typeof value !== "string" || value.trim() === "") return fault("text must not be empty");
  if (value.length > MAX_TEXT_CHARS) return fault(`text must have at most ${MAX_TEXT_CHARS} characters`);
  return { ok: true, value: value.toWellFormed() };
}

function unknownKey(body: object, allowed: readonly string[]): string | undefined {
  return Object.keys(body).find((key) => !allowed.includes(key));
}

function isObject(body: unknown): body is Record<string, unknown> {
  return typeof body === "object" && body !== null && !Array.isArray(body);
}

export function toMessage(
  channel: string,
  chat: string,
  body: unknown,
  from: Sender,
): Checked<DataOf["MessageReceived"]> {
  if (!isObject(body)) return fault("the body must be a JSON object");
  const extra = unknownKey(body, ["id", "text", "mode", "model"]);
  if (extra !== undefined) return fault(`the body has an unknown member "${extra.slice(0, 40)}"`);
  const chatId = checkId(chat, "chat");
  const id = checkId(body["id"], "id");
  const text = checkText(body["text"]);
  if (!chatId.ok) return chatId;
  if (!id.ok) return id;
  if (!text.ok) return text;
  const { mode, model } = body;
  const knownMode = MODES.find((one) => one === mode);
  if (mode !== undefined && knownMode === undefined) return fault(`mode must be one of ${MODES.join(", ")}`);
  if (model !== undefined && (typeof model !== "string" || model === "" || model.length > 128))
    return fault("model must be a text of at most 128 characters");
  return {
    ok: true,
    value: {
      channel,
      chat: chatId.value,
      message: id.value,
      from,
      text: text.value,
      ...(knownMode === undefined ? {} : { mode: knownMode }),
      ...(typeof model === "string" ? { model } : {}),
    },
  };
}

export function toEdit(
  channel: string,
  chat: string,
  message: string,
  body: unknown,
  from: Sender,
): Checked<DataOf["MessageEdited"]> {
  if (!isObject(body)) return fault("the body must be a JSON object");
  const extra = unknownKey(body, ["revision", "text"]);
  if (extra !== undefined) return fault(`the body has an unknown member "${extra.slice(0, 40)}"`);
  const ids = [checkId(chat, "chat"), checkId(message, "message"), checkId(body["revision"], "revision")];
  for (const id of ids) if (!id.ok) return id;
  const text = checkText(body["text"]);
  if (!text.ok) return text;
  return { ok: true, value: { channel, chat, message, revision: String(body["revision"]), from, text: text.value } };
}

export type CommandType = "CancelTurn" | "RetryTurn" | "SelectChatModel" | "ScheduleTask" | "CancelTask";
const COMMANDS: readonly string[] = [
  "CancelTurn",
  "RetryTurn",
  "SelectChatModel",
  "ScheduleTask",
  "CancelTask",
] satisfies CommandType[];

/** A command's type and data; the schema checks the data when it is appended. */
export function toCommand(
  channel: string,
  body: unknown,
  from: Sender,
): Checked<{ type: CommandType; command: string; data: Record<string, unknown> }> {
  if (!isObject(body)) return fault("the body must be a JSON object");
  const { type, command, by: _by, ...rest } = body;
  const id = checkId(command, "command");
  if (!id.ok) return id;
  if (typeof type !== "string" || !COMMANDS.includes(type)) return fault(`type must be one of ${COMMANDS.join(", ")}`);
  const place = type === "ScheduleTask" || type === "CancelTask" ? {} : { channel };
  const data = { ...rest, ...place, command: id.value, by: { id: from.id, channel } };
  return { ok: true, value: { type: type as CommandType, command: id.value, data } };
}
