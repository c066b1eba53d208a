/**
 * What travels between the threads of a system. Short arrays: structured clone writes the names of an object's fields
 * into every message, an array's not.
 *
 * `address` is the number of one incarnation of one actor, never used again: what was sent to a dead incarnation cannot
 * reach the next. `callId` is chosen by the caller's thread, which is the one that gets the answers.
 */
import type { EncodedError } from "../errors/error-codec.ts";
import type { DeadLetterReason } from "./actor-events.ts";
import type { LogRecord } from "./actor-types.ts";
import type { MailboxShare } from "./shared-mailbox.ts";
import type { SystemRequest } from "./system-requests.ts";

/** First element of an envelope. */
export const OP = {
  tell: 0,
  ask: 1,
  open: 2,
  reply: 3,
  fail: 4,
  cancel: 5,
  item: 6,
  end: 7,
  credit: 8,
  up: 16,
  down: 17,
  forget: 18,
  peer: 19,
  sync: 20,
  synced: 21,
  deadLetters: 22,
  log: 23,
  group: 24,
  request: 25,
  answered: 26,
} as const;

/** A running incarnation, as every thread knows it. */
export interface DirectoryEntry {
  readonly name: string;
  readonly incarnation: number;
  readonly address: number;
  readonly nodeId: number;
  readonly mailbox: MailboxShare;
}

/** A reason for being down in a form that crosses threads. */
export type EncodedDownReason =
  | { readonly kind: "normal" | "stopped" | "shutdown" | "not-running" }
  | { readonly kind: "crash"; readonly error: EncodedError };

/** A message to an actor. `traceparent` is null when nobody traces; `remainingMs` is the time an ask's caller has left. */
export type RequestEnvelope =
  | readonly [
      op: 0,
      address: number,
      kind: string,
      message: unknown,
      bytes: number,
      traceparent: string | null,
    ]
  | readonly [
      op: 1,
      address: number,
      kind: string,
      message: unknown,
      bytes: number,
      traceparent: string | null,
      callId: number,
      remainingMs: number,
    ]
  | readonly [
      op: 2,
      address: number,
      kind: string,
      message: unknown,
      bytes: number,
      traceparent: string | null,
      callId: number,
      window: number,
    ];

/** An answer to an ask or a part of a stream, to the thread that called. */
export type ResponseEnvelope =
  | readonly [op: 3, callId: number, value: unknown]
  | readonly [op: 4, callId: number, error: EncodedError]
  | readonly [op: 6, callId: number, sequence: number, value: unknown]
  | readonly [op: 7, callId: number, sequence: number];

/** From the caller of an ask or stream to the thread that works on it. */
export type CallEnvelope =
  | readonly [op: 5, callId: number]
  | readonly [op: 8, callId: number, numItems: number];

/** Between the system's thread and the others, about the system itself. */
export type SystemEnvelope =
  | readonly [op: 16, entry: DirectoryEntry]
  | readonly [op: 17, address: number, reason: EncodedDownReason]
  | readonly [op: 18, name: string]
  | readonly [op: 19, nodeId: number, port: unknown]
  | readonly [op: 20, syncId: number]
  | readonly [op: 21, syncId: number]
  | readonly [op: 22, actor: string, kind: string, reason: DeadLetterReason, count: number]
  | readonly [op: 23, record: LogRecord]
  /** To the system's thread: wants to join or leave. From there: has joined or left. */
  | readonly [op: 24, group: string, address: number, isMember: boolean]
  | readonly [op: 25, requestId: number, address: number, request: SystemRequest]
  | readonly [op: 26, requestId: number, error: EncodedError | null];

/** Anything a link carries. */
export type Envelope = RequestEnvelope | ResponseEnvelope | CallEnvelope | SystemEnvelope;
