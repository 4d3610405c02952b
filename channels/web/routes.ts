/** The HTTP routes. A write answers 202 only when its event is in the log. */
import type { FastifyInstance, FastifyRequest } from "fastify";
import { hasCode, TaffrailError, type ErrorCode } from "../../bus/errors.ts";
import { makeEvent, type LogEntry, type NewEvent } from "../../bus/event.ts";
import { deriveId } from "../../bus/ids.ts";
import { lanes, liveSubjects, type Lane } from "../../bus/subjects.ts";
import { errorCatalogue } from "../../bus/errors.ts";
import type { DataOf } from "../../schemas/index.ts";
import type { HealthView } from "../../schemas/views.ts";
import type { WebParts } from "./app.ts";
import { COOKIE, SESSION_MS } from "./session.ts";
import { checkId, toCommand, toEdit, toMessage, type Checked } from "./translate.ts";

const CHANNEL = "web";
/** The owner of the install: until there are users, who holds a session is the owner. */
const OWNER = { id: "owner", name: "You", owner: true };
const QUERY_TIMEOUT_MS = 3_000;
const HEALTH_TIMEOUT_MS = 1_000;

function want<T>(checked: Checked<T>): T {
  if (!checked.ok) throw new TaffrailError("REQUEST_INVALID", checked.problem);
  return checked.value;
}

function parameter(request: FastifyRequest, name: string): string {
  return want(checkId((request.params as Record<string, unknown>)[name], name));
}

function numberOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}

/** True when the log's event says what this request says: the same request once more. */
function sameData(present: LogEntry, event: NewEvent): boolean {
  if (present.type === "unreadable" || present.type !== event.type) return false;
  const stable = (data: object): string =>
    JSON.stringify(Object.entries(data).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  return stable(present.data) === stable(event.data);
}

export function registerRoutes(server: FastifyInstance, parts: WebParts): void {
  const { ports, channelLog, sessions, config } = parts;
  const { live, clock } = ports;
  let intakePaused: string | undefined;
  const unsubscribe = live.subscribe(liveSubjects.intakePause, (data) => {
    const { paused, reason } = data as { paused?: unknown; reason?: unknown };
    intakePaused = paused === true ? (typeof reason === "string" ? reason : "") : undefined;
  });
  server.addHook("onClose", (_instance, done) => {
    unsubscribe();
    done();
  });

  async function create(lane: Lane, event: NewEvent): Promise<{ seq: number; id: string }> {
    if (intakePaused !== undefined && event.type === "MessageReceived")
      throw new TaffrailError("INTAKE_PAUSED", `the log takes nothing now: ${intakePaused}`);
    const outcome = await channelLog.create(lane, event).catch((error: unknown) => {
      if (hasCode(error, "BUS_EVENT_INVALID")) throw new TaffrailError("REQUEST_INVALID", error.message, {}, error);
      throw error;
    });
    if (outcome.present !== undefined && !sameData(outcome.present, event))
      throw new TaffrailError("MESSAGE_ID_REUSED", "another message has this id", { seq: outcome.seq });
    return { seq: outcome.seq, id: event.id };
  }

  const origin = (): { source: string; nowMs: number } => ({ source: CHANNEL, nowMs: clock.nowMs() });

  async function query(service: string, name: string, data: unknown): Promise<unknown> {
    const answer = await live.request(liveSubjects.query(service, name), data, QUERY_TIMEOUT_MS);
    const { error } = (answer ?? {}) as { error?: { code: string; message: string } };
    if (error === undefined) return answer;
    const code = Object.hasOwn(errorCatalogue, error.code) ? (error.code as ErrorCode) : "HANDLER_FAILED";
    throw new TaffrailError(code, error.message);
  }

  server.get("/health", async (_request, reply) => {
    const health = (await live.request(liveSubjects.query("stats", "health"), {}, HEALTH_TIMEOUT_MS).catch(() => ({
      ready: false,
      reason: "the stats process does not answer",
      version: config.version,
      processes: [],
    }))) as HealthView;
    return reply.code(health.ready ? 200 : 503).send(health);
  });

  server.post("/api/enter", async (request, reply) => {
    const { token } = (request.body ?? {}) as { token?: unknown };
    if (typeof token !== "string" || token.length > 256 || !(await sessions.consumeLink(token)))
      throw new TaffrailError("LINK_INVALID", "this link does not open the door");
    void reply.setCookie(COOKIE, sessions.issue(OWNER.id), {
      path: "/",
      httpOnly: true,
      sameSite: "strict",
      maxAge: SESSION_MS / 1000,
    });
    return { owner: true, version: config.version };
  });

  server.get("/api/session", () => ({ owner: true, version: config.version }));
  server.get("/api/models", () => config.models);
  server.get("/api/chats", () => query("ui-projection", "chats", {}));
  server.get("/api/events/:seq", (request) =>
    query("ui-projection", "event", { seq: Number(parameter(request, "seq")) }).then(
      (answer) => (answer as { event: unknown }).event,
    ),
  );
  for (const view of ["items", "events"]) {
    server.get(`/api/chats/:chat/${view}`, (request) => {
      const { before, limit, after } = request.query as Record<string, string | undefined>;
      const wanted = { before: numberOf(before), limit: numberOf(limit), after: numberOf(after) };
      return query("ui-projection", view, { channel: CHANNEL, chat: parameter(request, "chat"), ...wanted });
    });
  }

  server.post("/api/chats/:chat/messages", async (request, reply) => {
    const data = want(toMessage(CHANNEL, parameter(request, "chat"), request.body, OWNER));
    const id = deriveId("in", CHANNEL, data.chat, data.message, "0");
    const stored = await create(
      lanes.message(CHANNEL, data.chat, data.message),
      makeEvent("MessageReceived", id, origin(), data),
    );
    return reply.code(202).send(stored);
  });

  server.put("/api/chats/:chat/messages/:message", async (request, reply) => {
    const [chat, message] = [parameter(request, "chat"), parameter(request, "message")];
    const data = want(toEdit(CHANNEL, chat, message, request.body, OWNER));
    const id = deriveId("in", CHANNEL, chat, message, `e${data.revision}`);
    const lane = lanes.edit(CHANNEL, chat, message, data.revision);
    return reply.code(202).send(await create(lane, makeEvent("MessageEdited", id, origin(), data)));
  });

  server.delete("/api/chats/:chat/messages/:message", async (request, reply) => {
    const [chat, message] = [parameter(request, "chat"), parameter(request, "message")];
    const data = { channel: CHANNEL, chat, message, revision: "1", from: OWNER };
    const id = deriveId("in", CHANNEL, chat, message, "d1");
    const lane = lanes.deletion(CHANNEL, chat, message, "1");
    return reply.code(202).send(await create(lane, makeEvent("MessageDeleted", id, origin(), data)));
  });

  server.post("/api/commands", async (request, reply) => {
    const { type, command, data } = want(toCommand(CHANNEL, request.body, OWNER));
    const id = deriveId("cmd", CHANNEL, command);
    // The schema of the command checks the data before the append.
    const event = makeEvent(type, id, origin(), data as unknown as DataOf[typeof type]);
    return reply.code(202).send(await create(lanes.command(CHANNEL, command), event));
  });
}
