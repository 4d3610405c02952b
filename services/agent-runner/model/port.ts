// The Model port: one question to a language model, one answer, streamed.
// In: a ModelRequest (system text, messages, tools). Out: text chunks while it runs, one ModelResult, or a ModelError.
// Owns: the words that every provider and every caller share. Never: a provider's own format, a retry, a secret.

export interface ToolCallRequest {
  callId: string;
  name: string;
  arguments: Record<string, unknown>;
}

export type ModelMessage =
  | { role: "user"; text: string }
  | { role: "assistant"; text: string; toolCalls: ToolCallRequest[] }
  | { role: "tool"; callId: string; name: string; text: string; isError: boolean };

export interface ToolSpec {
  name: string;
  description: string;
  /** JSON Schema of the arguments, an object schema. */
  parameters: Record<string, unknown>;
}

export interface ModelRequest {
  /** `demo`, `anthropic:<id>`, `openai:<id>` or `ollama:<id>`. */
  model: string;
  system: string;
  messages: ModelMessage[];
  tools: ToolSpec[];
  maxOutputTokens: number;
}

export interface ModelUsage {
  inputTokens: number;
  outputTokens: number;
  cachedInputTokens: number;
  reasoningTokens: number;
}

export interface ModelResult {
  text: string;
  toolCalls: ToolCallRequest[];
  finishReason: "stop" | "tool-calls" | "length" | "other";
  usage: ModelUsage;
  /** What the provider itself reported, unchanged; null when it reported nothing. */
  rawUsage: unknown;
}

export interface ModelStream {
  /** Called with each piece of the answer's text, in order; the pieces joined are `ModelResult.text`. */
  onText(text: string): void;
  /** Aborting closes the connection and rejects with MODEL_CANCELLED. */
  signal: AbortSignal;
}

export interface Model {
  /** Runs one step: no retry, no tool is executed. Rejects with a ModelError and nothing else. */
  run(request: ModelRequest, stream: ModelStream): Promise<ModelResult>;
}

/** Where a model answers. Holds a secret: never log it, never put it into an error text. */
export interface ModelEndpoint {
  baseUrl?: string;
  apiKey?: string;
  /** Milliseconds without a byte after which the model is given up; each provider has its own default. */
  idleTimeoutMs?: number;
}

export type ModelErrorCode =
  | "MODEL_UNREACHABLE"
  | "MODEL_AUTH"
  | "MODEL_RATE_LIMITED"
  | "MODEL_SERVER_ERROR"
  | "MODEL_BAD_REQUEST"
  | "MODEL_BAD_RESPONSE"
  | "MODEL_BROKEN_OFF"
  | "MODEL_TIMEOUT"
  | "MODEL_CANCELLED"
  | "MODEL_UNKNOWN"
  | "MODEL_WORKER_LOST";

/** A ModelError as it crosses threads and enters events. */
export interface PlainModelError {
  code: ModelErrorCode;
  message: string;
  retryable: boolean;
  retryAfterMs?: number;
  status?: number;
}

// One table, so that no provider decides by itself what may be asked again. BAD_RESPONSE is worth one more try only.
const RETRYABLE: Record<ModelErrorCode, boolean> = {
  MODEL_UNREACHABLE: true,
  MODEL_AUTH: false,
  MODEL_RATE_LIMITED: true,
  MODEL_SERVER_ERROR: true,
  MODEL_BAD_REQUEST: false,
  MODEL_BAD_RESPONSE: true,
  MODEL_BROKEN_OFF: true,
  MODEL_TIMEOUT: true,
  MODEL_CANCELLED: false,
  MODEL_UNKNOWN: false,
  MODEL_WORKER_LOST: true,
};

/** Every way a model call fails. The message says what happened and what to do, and holds no secret. */
export class ModelError extends Error {
  readonly code: ModelErrorCode;
  readonly retryable: boolean;
  readonly retryAfterMs?: number;
  readonly status?: number;

  constructor(
    code: ModelErrorCode,
    message: string,
    details: { retryable?: boolean; retryAfterMs?: number; status?: number } = {},
  ) {
    super(message);
    this.name = "ModelError";
    this.code = code;
    this.retryable = details.retryable ?? RETRYABLE[code];
    if (details.retryAfterMs !== undefined) this.retryAfterMs = details.retryAfterMs;
    if (details.status !== undefined) this.status = details.status;
  }

  /** A structured-clonable copy; the stack stays behind. */
  toPlain(): PlainModelError {
    const plain: PlainModelError = { code: this.code, message: this.message, retryable: this.retryable };
    if (this.retryAfterMs !== undefined) plain.retryAfterMs = this.retryAfterMs;
    if (this.status !== undefined) plain.status = this.status;
    return plain;
  }

  /** The error that `toPlain` was called on, in another thread. */
  static fromPlain(plain: PlainModelError): ModelError {
    return new ModelError(plain.code, plain.message, plain);
  }
}

/** The one MODEL_CANCELLED, so that its words are the same from every provider. */
export function cancelled(): ModelError {
  return new ModelError("MODEL_CANCELLED", "The model call was cancelled.");
}
