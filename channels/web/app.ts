/**
 * Web channel process: the only one with an open port.
 * In: HTTP and WebSocket of the page and the CLI. Out: messages and commands as events, answers of `query.*`, feeds and live
 * tokens to the page. Owns: the port and the session key. Never: holds data, reads foreign subjects, confirms before the append.
 */
import type { AddressInfo } from "node:net";
import cookie from "@fastify/cookie";
import helmet from "@fastify/helmet";
import fastifyStatic from "@fastify/static";
import websocket from "@fastify/websocket";
import {
  fastify,
  LogController,
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
} from "fastify";
import type { ChannelLog } from "../../bus/channel-log.ts";
import { TaffrailError, type ErrorCode } from "../../bus/errors.ts";
import type { Ports, RunningApp } from "../../bus/runtime.ts";
import type { WebConfig } from "./config.ts";
import { hostAllowed, originAllowed } from "./guards.ts";
import { registerRoutes } from "./routes.ts";
import { COOKIE, type Sessions } from "./session.ts";
import { createSockets, MAX_SOCKETS } from "./sockets.ts";

/** A message of 32 Ki characters in JSON with every character escaped is below this. */
const MAX_BODY_BYTES = 256 * 1024;
/** Frames of the page are subscriptions only. */
const MAX_FRAME_BYTES = 16 * 1024;
const REQUEST_TIMEOUT_MS = 30_000;

export interface WebParts {
  readonly ports: Ports;
  readonly channelLog: ChannelLog;
  readonly sessions: Sessions;
  readonly config: WebConfig;
  /** Calls the listener when the broker is back after a loss; returns what forgets it. */
  readonly onReconnect: (listener: () => void) => () => void;
  /** Folder of the built page; absent in tests that need none. */
  readonly pageFolder?: string;
}

const STATUS: Partial<Record<ErrorCode, number>> = {
  SIGN_IN_REQUIRED: 401,
  LINK_INVALID: 401,
  ORIGIN_REFUSED: 403,
  NOT_FOUND: 404,
  MESSAGE_ID_REUSED: 409,
  REQUEST_TOO_LARGE: 413,
  BUS_EVENT_TOO_LARGE: 413,
  INTAKE_PAUSED: 503,
};

function statusOf(error: TaffrailError): number {
  return STATUS[error.code] ?? (error.retryable ? 503 : 400);
}

/** Every refusal has a code, a sentence and what to do. */
function sendError(reply: FastifyReply, error: TaffrailError): FastifyReply {
  const { code, message, action } = error;
  return reply.code(statusOf(error)).send({ code, message, action });
}

function toTaffrail(error: FastifyError | TaffrailError): TaffrailError {
  if (error instanceof TaffrailError) return error;
  if (error.code === "FST_ERR_CTP_BODY_TOO_LARGE")
    return new TaffrailError("REQUEST_TOO_LARGE", "the body is too large");
  const status = error.statusCode ?? 500;
  if (status < 500) return new TaffrailError("REQUEST_INVALID", error.message);
  return new TaffrailError("HANDLER_FAILED", "the request failed inside Taffrail", {}, error);
}

export async function buildServer(parts: WebParts): Promise<FastifyInstance> {
  const { ports, sessions, config } = parts;
  const server = fastify({
    loggerInstance: ports.logger as FastifyBaseLogger,
    // One line per request would be a line per message: failures are logged below.
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    // An address that cannot be decoded reaches no route and so no error handler.
    frameworkErrors: (error, _request, reply) => void sendError(reply as unknown as FastifyReply, toTaffrail(error)),
    // Outside ids stand in paths: 256 characters, each up to 12 bytes percent-encoded.
    routerOptions: { maxParamLength: 4096 },
  });
  server.setErrorHandler((error: FastifyError | TaffrailError, _request, reply) => {
    const known = toTaffrail(error);
    if (known.code === "HANDLER_FAILED") ports.logger.error({ err: error }, "request failed");
    return sendError(reply, known);
  });
  server.setNotFoundHandler((request, reply) =>
    sendError(reply, new TaffrailError("NOT_FOUND", `there is nothing at ${request.url.slice(0, 200)}`)),
  );
  server.addHook("onRequest", (request, _reply, done) => {
    const { host, origin } = request.headers;
    if (!hostAllowed(host) || !originAllowed(origin, host))
      done(new TaffrailError("ORIGIN_REFUSED", "this address may not be used from there"));
    else done();
  });
  await server.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "manifest-src": ["'self'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
      },
    },
    // TLS ends elsewhere, if anywhere: a strict-transport header from loopback would only break other local servers.
    strictTransportSecurity: false,
  });
  await server.register(cookie);
  await server.register(websocket, { options: { maxPayload: MAX_FRAME_BYTES, perMessageDeflate: false } });
  server.addHook("preValidation", (request, _reply, done) => {
    const { url } = request.routeOptions;
    const open = url === undefined || !url.startsWith("/api/") || url === "/api/enter";
    const [scheme, bearer] = (request.headers.authorization ?? "").split(" ");
    const token = scheme === "Bearer" ? bearer : request.cookies[COOKIE];
    if (open || sessions.verify(token) !== undefined) done();
    else done(new TaffrailError("SIGN_IN_REQUIRED", "there is no session"));
  });
  const sockets = createSockets({ live: ports.live, version: config.version, onReconnect: parts.onReconnect });
  server.addHook("onClose", (_instance, done) => {
    sockets.close();
    done();
  });
  registerRoutes(server, parts);
  server.get("/api/socket", { websocket: true }, (socket) => {
    if (sockets.count() >= MAX_SOCKETS) socket.close(1013, "too many pages");
    else sockets.add(socket);
  });
  if (parts.pageFolder !== undefined) {
    await server.register(fastifyStatic, {
      root: parts.pageFolder,
      // File names carry a hash of their content; the page itself does not.
      setHeaders: (reply, path) => {
        void reply.header("cache-control", path.endsWith(".html") ? "no-cache" : "public, max-age=31536000, immutable");
      },
    });
  }
  return server;
}

/** Builds the server and listens on loopback. @throws PORT_TAKEN */
export async function startWeb(parts: WebParts): Promise<RunningApp & { port: number }> {
  const server = await buildServer(parts);
  const { port } = parts.config;
  try {
    await server.listen({ host: "127.0.0.1", port });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EADDRINUSE")
      throw new TaffrailError("PORT_TAKEN", `port ${port} is in use by another program`, { port }, error);
    throw error;
  }
  const failed = new Promise<never>(() => undefined);
  return {
    port: (server.server.address() as AddressInfo).port,
    failed,
    close: () => server.close(),
  };
}
