/** Sends for the actors of one thread, and for whoever uses the system from there. */
import type { Transferable } from "node:worker_threads";
import type { Clock } from "../core/clock.ts";
import { TroupeError } from "../errors/troupe-error.ts";
import type { DeadLetterReason } from "./actor-events.ts";
import type {
  ActorRef,
  AskKind,
  AskOptions,
  ItemOf,
  MessageOf,
  Messenger,
  Protocol,
  ReplyOf,
  StreamKind,
  StreamOptions,
  TellKind,
  TellOptions,
} from "./actor-types.ts";
import type { CallScope } from "./call-scope.ts";
import type { Directory, Located, Lookup } from "./directory.ts";
import { OP, type RequestEnvelope } from "./envelope.ts";
import type { Link } from "./link.ts";
import { estimateBytes } from "./message-size.ts";
import { MessageSpan } from "./message-span.ts";
import type { CallHome, OutboundCall, OutboundCalls } from "./outbound-call.ts";
import { cancelledError, PendingAsk } from "./pending-ask.ts";
import { StreamConsumer } from "./stream-consumer.ts";
import type { TracedOperation } from "./trace-channels.ts";
import type { UnresolvedSends } from "./unresolved-sends.ts";

const DEFAULT_DEADLINE_MS = 30_000;
const DEFAULT_WINDOW = 16;

/** What sending needs of its thread. */
export interface MessengerHome extends CallHome {
  readonly clock: Clock;
  /** From 0 to 1, for span ids. */
  readonly random: () => number;
  readonly directory: Directory;
  readonly calls: OutboundCalls;
  /** Null on the system's own thread, which knows every actor. */
  readonly unresolved: UnresolvedSends | null;
  linkTo(nodeId: number): Link | undefined;
  deadLetter(actor: string, kind: string, reason: DeadLetterReason): void;
  /** Set once the system has stopped. */
  closedBy(): TroupeError | null;
}

export class NodeMessenger implements Messenger {
  readonly #home: MessengerHome;
  readonly #scope: CallScope;

  constructor(home: MessengerHome, scope: CallScope) {
    this.#home = home;
    this.#scope = scope;
  }

  /** Sends on behalf of the handler of a message. */
  within(scope: CallScope): NodeMessenger {
    return new NodeMessenger(this.#home, scope);
  }

  tell<P extends Protocol, K extends TellKind<P>>(
    ref: ActorRef<P>,
    kind: K,
    message: MessageOf<P, K>,
    options?: TellOptions,
  ): boolean {
    const { traceparent } = this.#span("tell", ref.actor, kind, options);
    const found = this.#home.directory.find(ref.actor);
    if (found === undefined && this.#home.unresolved !== null) {
      const send = (): void =>
        void this.#tell(ref.actor, this.#home.directory.find(ref.actor), kind, message, traceparent, options);
      if (this.#home.unresolved.add(ref.actor, send)) return true;
      this.#home.deadLetter(ref.actor, kind, "mailbox-full");
      return false;
    }
    return this.#tell(ref.actor, found, kind, message, traceparent, options);
  }

  ask<P extends Protocol, K extends AskKind<P>>(
    ref: ActorRef<P>,
    kind: K,
    message: MessageOf<P, K>,
    options: AskOptions = {},
  ): Promise<ReplyOf<P, K>> {
    const what = `ask ${ref.actor}.${kind}`;
    const span = this.#span("ask", ref.actor, kind, options);
    const deadlineMs = this.#deadlineMs(options);
    const { callId, call } = this.#home.calls.open(
      (id) => new PendingAsk(id, what, this.#home, { ...options, clock: this.#home.clock, deadlineMs, span }),
    );
    this.#start(ref.actor, callId, call, options, what, (located) => {
      const bytes = estimateBytes(message);
      const { traceparent } = span;
      return [OP.ask, located.entry.address, kind, message, bytes, traceparent, callId, call.remainingMs()];
    });
    return call.promise as Promise<ReplyOf<P, K>>;
  }

  stream<P extends Protocol, K extends StreamKind<P>>(
    ref: ActorRef<P>,
    kind: K,
    message: MessageOf<P, K>,
    options: StreamOptions = {},
  ): AsyncIterable<ItemOf<P, K>> {
    const { window = DEFAULT_WINDOW } = options;
    if (!Number.isInteger(window) || window < 1) {
      throw new TroupeError(
        "invalid_request",
        `A stream's window is ${window}; it must be a positive integer.`,
      );
    }
    return {
      [Symbol.asyncIterator]: () =>
        this.#open(ref.actor, kind, message, window, options) as AsyncIterator<ItemOf<P, K>>,
    };
  }

  #open(
    actor: string,
    kind: string,
    message: unknown,
    window: number,
    options: StreamOptions,
  ): AsyncIterator<unknown> {
    const what = `stream ${actor}.${kind}`;
    const span = this.#span("stream", actor, kind, options);
    const { callId, call } = this.#home.calls.open(
      (id) => new StreamConsumer(id, what, this.#home, { window, signal: options.signal, span }),
    );
    this.#start(actor, callId, call, options, what, (located) => {
      const bytes = estimateBytes(message);
      return [OP.open, located.entry.address, kind, message, bytes, span.traceparent, callId, window];
    });
    return call;
  }

  #span(
    operation: TracedOperation,
    actor: string,
    kind: string,
    options: TellOptions | undefined,
  ): MessageSpan {
    const { clock, random } = this.#home;
    const parent = options?.traceparent ?? this.#scope.traceparent;
    return MessageSpan.begin({ operation, actor, kind }, parent, clock, random);
  }

  /** A nested ask never outlives the one whose handler sends it. */
  #deadlineMs({ deadlineMs = DEFAULT_DEADLINE_MS }: AskOptions): number {
    const inheritedMs = this.#scope.remainingMs();
    return inheritedMs === null ? deadlineMs : Math.min(deadlineMs, inheritedMs);
  }

  /** Sends a call's message, now or when the actor is known here; a call that cannot be sent fails. */
  #start(
    actor: string,
    callId: number,
    call: OutboundCall,
    options: AskOptions,
    what: string,
    envelope: (located: Located) => RequestEnvelope,
  ): void {
    if (options.signal?.aborted === true) {
      call.fail(cancelledError(what, options.signal.reason));
      return;
    }
    const found = this.#home.directory.find(actor);
    if (found === undefined && this.#home.unresolved !== null) {
      const send = (): void => {
        // It may have met its deadline while it waited.
        if (this.#home.calls.get(callId) !== call) return;
        this.#send(actor, this.#home.directory.find(actor), call, options, envelope);
      };
      if (!this.#home.unresolved.add(actor, send)) call.fail(fullError(actor));
      return;
    }
    this.#send(actor, found, call, options, envelope);
  }

  #send(
    actor: string,
    found: Lookup,
    call: OutboundCall,
    options: AskOptions,
    envelope: (located: Located) => RequestEnvelope,
  ): void {
    const closedBy = this.#home.closedBy();
    if (closedBy !== null) {
      call.fail(closedBy);
    } else if (found === undefined || found === "down") {
      call.fail(missingError(actor, found));
    } else {
      try {
        if (!this.#post(found, envelope(found), options.transfer)) call.fail(fullError(actor));
        else call.sentTo(found.entry.address);
      } catch (error) {
        call.fail(error);
      }
    }
  }

  #tell(
    actor: string,
    found: Lookup,
    kind: string,
    message: unknown,
    traceparent: string | null,
    options: TellOptions | undefined,
  ): boolean {
    if (found === undefined || found === "down") {
      this.#home.deadLetter(actor, kind, found === undefined ? "actor-not-found" : "actor-down");
      return false;
    }
    const bytes = estimateBytes(message);
    const envelope: RequestEnvelope = [OP.tell, found.entry.address, kind, message, bytes, traceparent];
    if (this.#post(found, envelope, options?.transfer)) return true;
    this.#home.deadLetter(actor, kind, "mailbox-full");
    return false;
  }

  /** False when the mailbox is full. @throws TroupeError `invalid_request` when the message cannot be cloned. */
  #post(to: Located, envelope: RequestEnvelope, transfer: readonly Transferable[] | undefined): boolean {
    const bytes = envelope[4];
    if (!to.mailbox.reserve(bytes)) return false;
    try {
      this.#home.linkTo(to.entry.nodeId)?.post(envelope, transfer);
    } catch (cause) {
      to.mailbox.release(bytes);
      const text = `The message "${envelope[2]}" to ${to.entry.name} cannot be cloned to its thread.`;
      throw new TroupeError("invalid_request", text, { cause });
    }
    return true;
  }
}

function fullError(actor: string): TroupeError {
  return new TroupeError(
    "mailbox_full",
    `The mailbox of ${actor} is full; retry later or send less at once.`,
    {
      details: { actor },
    },
  );
}

function missingError(actor: string, found: "down" | undefined): TroupeError {
  return found === "down"
    ? new TroupeError("actor_down", `${actor} is down.`, { details: { actor } })
    : new TroupeError("actor_not_found", `There is no actor "${actor}".`, { details: { actor } });
}
