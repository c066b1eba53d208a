/** What goes over the WebSocket `/v1/stream`, as a client sees it; docs/websocket.md explains every field. */
import { asObject, parseObject } from "./server-error.ts";

/** A `generate` message without type and id, which the client adds. */
export interface StreamRequest {
  readonly model?: string;
  readonly prompt?: string;
  readonly messages?: readonly { readonly role: string; readonly content: unknown }[];
  readonly prompt_token_ids?: readonly number[];
  readonly max_tokens?: number;
  readonly temperature?: number;
  readonly top_p?: number;
  readonly top_k?: number;
  readonly n?: number;
  readonly seed?: number;
  readonly stop?: string | readonly string[];
  readonly return_token_ids?: boolean;
  readonly logprobs?: number;
  /** Every other field of the message. */
  readonly [field: string]: unknown;
}

/** A piece of an answer. */
export interface TokenEvent {
  readonly type: "token";
  /** Which answer, with n above 1. */
  readonly index: number;
  readonly text: string;
  readonly tokenIds?: readonly number[];
  readonly logprobs?: readonly unknown[];
}

/** The end of a request. */
export interface DoneEvent {
  readonly type: "done";
  readonly choices: readonly {
    readonly index: number;
    readonly finish_reason: string;
    readonly stop_reason: string | number | null;
  }[];
  readonly usage: {
    readonly prompt_tokens: number;
    readonly completion_tokens: number;
    readonly total_tokens: number;
  };
}

/** What a request yields: tokens, then one done. */
export type StreamEvent = TokenEvent | DoneEvent;

/** A message of the server. */
export type ServerMessage =
  | { readonly kind: "started"; readonly id: string; readonly stream: string }
  | { readonly kind: "event"; readonly id: string; readonly seq: number | null; readonly event: StreamEvent }
  | { readonly kind: "error"; readonly id: string | null; readonly code: unknown; readonly message: unknown };

/** @returns null for what no server of this protocol sends */
export function readServerMessage(data: unknown): ServerMessage | null {
  const message = typeof data === "string" ? parseObject(data) : null;
  if (message === null) return null;
  const { type, id, seq, stream } = message;
  if (type === "error") {
    const error = asObject(message.error);
    return {
      kind: "error",
      id: typeof id === "string" ? id : null,
      code: error?.code,
      message: error?.message,
    };
  }
  if (typeof id !== "string") return null;
  if (type === "started" && typeof stream === "string") return { kind: "started", id, stream };
  const event = readEvent(message);
  return event === null ? null : { kind: "event", id, seq: typeof seq === "number" ? seq : null, event };
}

function readEvent({
  type,
  index,
  text,
  token_ids,
  logprobs,
  choices,
  usage,
}: Readonly<Record<string, unknown>>): StreamEvent | null {
  if (type === "token" && typeof index === "number" && typeof text === "string")
    return {
      type,
      index,
      text,
      ...(Array.isArray(token_ids) && { tokenIds: token_ids as number[] }),
      ...(Array.isArray(logprobs) && { logprobs }),
    };
  if (type === "done" && Array.isArray(choices) && asObject(usage) !== null)
    return { type, choices: choices as DoneEvent["choices"], usage: usage as DoneEvent["usage"] };
  return null;
}
