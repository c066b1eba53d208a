/**
 * What an actor does while it runs: takes tasks (timers, Downs) and then messages out of its lanes, calls handlers, at
 * most `concurrency` at a time, and answers. Decides what a throw means; does not decide how the actor ends.
 */
import type { Clock } from "../core/clock.ts";
import { TroupeError } from "../errors/troupe-error.ts";
import type { ActorContext, Call } from "./actor-definition.ts";
import type { DeadLetterReason } from "./actor-events.ts";
import type { Down, DownReason } from "./actor-types.ts";
import { type CallScope, tracedScope } from "./call-scope.ts";
import { OP, type RequestEnvelope } from "./envelope.ts";
import { Fifo } from "./fifo.ts";
import { InboundCall, type Peer } from "./inbound-call.ts";
import type { Runnable, RunQueue } from "./run-queue.ts";
import type { SharedMailbox } from "./shared-mailbox.ts";
import { StreamProducer } from "./stream-producer.ts";
import { isTracingHandlers, type TracedOperation, traceHandled } from "./trace-channels.ts";

/** A definition with its types erased, as the runtime calls it. */
export interface ErasedDefinition {
  init(ctx: ActorContext, args: unknown): unknown;
  readonly handlers: Readonly<
    Record<string, (state: unknown, message: unknown, ctx: ActorContext, call: Call | null) => unknown>
  >;
  onDown?(state: unknown, down: Down, ctx: ActorContext): unknown;
  onStop?(state: unknown, reason: DownReason, ctx: ActorContext): unknown;
  readonly concurrency?: number;
}

/** What the turns need of the actor around them. */
export interface TurnsOwner {
  readonly name: string;
  readonly incarnation: number;
  readonly clock: Clock;
  readonly definition: ErasedDefinition;
  readonly mailbox: SharedMailbox;
  readonly runQueue: RunQueue;
  readonly context: ActorContext;
  /** The context of a message's handler. */
  contextWithin(scope: CallScope): ActorContext;
  deadLetter(kind: string, reason: DeadLetterReason): void;
  /** A handler or task threw something that is no answer. */
  onCrash(thrown: unknown): void;
  /** The last running handler is done. */
  onIdle(): void;
}

const OPERATIONS = ["tell", "ask", "stream"] as const satisfies readonly TracedOperation[];

/** Something to do in the actor's turn. */
export type Task = (state: unknown) => unknown;

interface Inbound {
  readonly envelope: RequestEnvelope;
  readonly call: InboundCall | null;
}

export class ActorTurns implements Runnable {
  readonly #owner: TurnsOwner;
  readonly #maxActive: number;
  readonly #tasks = new Fifo<Task>();
  readonly #messages = new Fifo<Inbound>();
  readonly #activeCalls = new Set<InboundCall>();
  readonly #producers = new Map<InboundCall, StreamProducer>();
  #state: unknown = undefined;
  #isOpen = false;
  #closedBy: TroupeError | null = null;
  #numActive = 0;
  #busySinceMs = 0;
  #isScheduled = false;

  constructor(owner: TurnsOwner) {
    this.#owner = owner;
    this.#maxActive = owner.definition.concurrency ?? 1;
  }

  /** Begins to handle what waits. */
  open(state: unknown): void {
    this.#state = state;
    this.#isOpen = true;
    this.#wake();
  }

  /** Handles nothing more: what waits and every stream fails with `error`. Handlers that run go on. */
  close(error: TroupeError): void {
    if (this.#closedBy !== null) return;
    this.#closedBy = error;
    this.#isOpen = false;
    this.#tasks.drain();
    for (const inbound of this.#messages.drain()) this.#drop(inbound, error);
    for (const call of this.#activeCalls) call.interrupt();
    const isShutdown = error.code === "system_stopped";
    const broken = new TroupeError("stream_broken", "The producer stopped.", { cause: error });
    for (const [call, producer] of this.#producers) {
      call.fail(isShutdown ? error : broken);
      producer.stop();
    }
  }

  /** Fails the asks that are being worked on; their handlers' answers will be ignored. */
  failActive(error: TroupeError): void {
    for (const call of this.#activeCalls) call.fail(error);
  }

  get numActive(): number {
    return this.#numActive;
  }

  /** A message from `peer` has arrived; its room in the mailbox is already reserved. */
  accept(envelope: RequestEnvelope, peer: Peer): void {
    const call = envelope[0] === OP.tell ? null : new InboundCall(envelope, peer, this.#owner.clock);
    const inbound = { envelope, call };
    if (this.#closedBy !== null) {
      this.#drop(inbound, this.#closedBy);
      return;
    }
    this.#messages.push(inbound);
    this.#wake();
  }

  /** The system lane: goes before every waiting message. */
  runTask(task: Task): void {
    if (this.#closedBy !== null) return;
    this.#tasks.push(task);
    this.#wake();
  }

  /** One step, called by the run queue. */
  run(): void {
    this.#isScheduled = false;
    if (!this.#canRun()) return;
    const task = this.#tasks.shift();
    if (task !== undefined) this.#runTask(task);
    else this.#handle(this.#messages.shift()!);
    this.#wake();
  }

  /** Counts work that is not a message (init) as activity. */
  begin(): void {
    if (this.#numActive++ === 0) this.#busySinceMs = performance.now();
    this.#owner.mailbox.reportActive(this.#numActive);
  }

  finish(): void {
    this.#numActive--;
    if (this.#numActive === 0) this.#owner.mailbox.reportBusy(performance.now() - this.#busySinceMs);
    this.#owner.mailbox.reportActive(this.#numActive);
    if (this.#isOpen) this.#wake();
    else if (this.#numActive === 0) this.#owner.onIdle();
  }

  #canRun(): boolean {
    return (
      this.#isOpen && this.#numActive < this.#maxActive && (this.#tasks.size > 0 || this.#messages.size > 0)
    );
  }

  #wake(): void {
    if (this.#isScheduled || !this.#canRun()) return;
    this.#isScheduled = true;
    this.#owner.runQueue.schedule(this);
  }

  #runTask(task: Task): void {
    this.begin();
    try {
      const result = task(this.#state);
      if (isPromise(result)) {
        result.then(
          () => this.finish(),
          (error: unknown) => this.#crash(error),
        );
      } else {
        this.finish();
      }
    } catch (error) {
      this.#crash(error);
    }
  }

  #handle({ envelope, call }: Inbound): void {
    this.#owner.mailbox.release(envelope[4]);
    if (call?.isOver === true) return;
    const handlers = this.#owner.definition.handlers;
    const kind = envelope[2];
    if (!Object.hasOwn(handlers, kind)) {
      this.#refuse(kind, call);
      return;
    }
    this.begin();
    this.#owner.mailbox.reportHandled();
    if (call !== null) this.#activeCalls.add(call);
    const done = isTracingHandlers() ? this.#tracer(envelope) : undefined;
    try {
      const result = handlers[kind]!(this.#state, envelope[3], this.#contextOf(envelope, call), call);
      const isOpen = envelope[0] === OP.open;
      if (isPromise(result) && !isOpen) {
        this.#settleLater(result, call, done);
        return;
      }
      done?.(null);
      if (isOpen) this.#produce(call!, result, envelope[7]);
      else this.#settle(result, call);
    } catch (error) {
      done?.(error);
      this.#fail(error, call);
    }
  }

  #contextOf(envelope: RequestEnvelope, call: InboundCall | null): ActorContext {
    if (call !== null) return this.#owner.contextWithin(call);
    return envelope[5] === null ? this.#owner.context : this.#owner.contextWithin(tracedScope(envelope[5]));
  }

  #tracer(envelope: RequestEnvelope): (error: unknown) => void {
    const { name: actor, incarnation, clock } = this.#owner;
    const [op, , kind, , , traceparent] = envelope;
    const operation = OPERATIONS[op];
    const startedMs = clock.now();
    return (error) => {
      const durationMs = clock.now() - startedMs;
      traceHandled({ operation, actor, kind, traceparent, incarnation, durationMs, error });
    };
  }

  #settleLater(
    result: Promise<unknown>,
    call: InboundCall | null,
    done: ((error: unknown) => void) | undefined,
  ): void {
    result.then(
      (value) => {
        done?.(null);
        this.#settle(value, call);
      },
      (error: unknown) => {
        done?.(error);
        this.#fail(error, call);
      },
    );
  }

  #settle(value: unknown, call: InboundCall | null): void {
    if (call !== null) {
      this.#activeCalls.delete(call);
      call.reply(value);
    }
    this.finish();
  }

  #fail(error: unknown, call: InboundCall | null): void {
    if (call === null || !isAnswer(error)) {
      this.#crash(error);
      return;
    }
    this.#activeCalls.delete(call);
    call.fail(error);
    this.finish();
  }

  /** The owner fails the calls that are still active; only then does the actor become idle. */
  #crash(error: unknown): void {
    this.#owner.onCrash(error);
    this.finish();
  }

  #produce(call: InboundCall, items: unknown, window: number): void {
    this.#activeCalls.delete(call);
    if (!isAsyncIterable(items)) {
      if (isPromise(items)) items.catch(() => undefined);
      call.fail(new TroupeError("no_handler", `${this.#owner.name}: this kind of message is not a stream.`));
      this.finish();
      return;
    }
    const producer = new StreamProducer(call, items, window, (end) => {
      this.#producers.delete(call);
      if (end.kind === "done") return;
      if (isAnswer(end.error)) call.fail(end.error);
      else this.#owner.onCrash(end.error);
    });
    this.#producers.set(call, producer);
    void producer.run();
    this.finish();
  }

  #refuse(kind: string, call: InboundCall | null): void {
    if (call === null) this.#owner.deadLetter(kind, "no-handler");
    else call.fail(new TroupeError("no_handler", `${this.#owner.name} has no handler for "${kind}".`));
  }

  #drop({ envelope, call }: Inbound, error: TroupeError): void {
    this.#owner.mailbox.release(envelope[4]);
    if (call === null) this.#owner.deadLetter(envelope[2], "actor-stopping");
    else call.fail(error);
  }
}

/** A coded error is an answer to the caller; `internal` is a bug, after which the state cannot be trusted. */
function isAnswer(error: unknown): error is TroupeError {
  return error instanceof TroupeError && error.code !== "internal";
}

function isPromise(value: unknown): value is Promise<unknown> {
  return (
    typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function"
  );
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}
