/** The actor the cases talk to: each kind does the one thing that a case looks at. */
import { decodeError, type EncodedError, encodeError } from "../../../src/errors/error-codec.ts";
import { TroupeError } from "../../../src/errors/troupe-error.ts";
import { type ActorContext, defineActor } from "../../../src/runtime/actor-definition.ts";
import type { ActorRef, AnyActorRef } from "../../../src/runtime/actor-types.ts";
import { isOpen, type Latch, openLatch, untilOpen } from "../latch.ts";

export interface SeenDown {
  readonly actor: string;
  readonly incarnation: number;
  readonly reason: string;
  readonly code: string | null;
}

export type ProbeProtocol = {
  add: { message: number };
  history: { message: null; reply: readonly number[] };
  echo: { message: unknown; reply: unknown };
  echoMoved: { message: Float32Array; reply: Float32Array };
  identity: { message: null; reply: { readonly incarnation: number; readonly name: string } };
  refuse: { message: "coded" | "internal" | "native"; reply: null };
  crash: { message: string };
  crashLater: { message: string };
  hold: { message: { readonly entered: Latch; readonly release: Latch }; reply: string };
  spinUntilStop: { message: { readonly entered: Latch; readonly left: Latch } };
  spinUntilOpen: { message: { readonly entered: Latch; readonly release: Latch } };
  untilCancelled: { message: { readonly entered: Latch; readonly cancelled: Latch }; reply: null };
  count: {
    message: { readonly to: number; readonly failAt?: number; readonly closed?: Latch };
    item: number;
  };
  numProduced: { message: null; reply: number };
  waitForever: { message: { readonly entered: Latch; readonly closed: Latch }; item: number };
  sendMany: {
    message: { readonly to: ActorRef<ProbeProtocol>; readonly from: number; readonly num: number };
  };
  askOther: {
    message: ActorRef<ProbeProtocol>;
    reply: { readonly code: string | null; readonly value: unknown };
  };
  sumOther: { message: { readonly of: ActorRef<ProbeProtocol>; readonly to: number }; reply: number };
  watch: { message: { readonly ref: AnyActorRef; readonly seen: Latch }; reply: null };
  downs: { message: null; reply: readonly SeenDown[] };
  setTimer: { message: { readonly delayMs: number; readonly every: boolean }; reply: null };
  stopSelf: { message: null };
  log: { message: string };
  rethrow: { message: EncodedError; reply: null };
};

export interface ProbeArgs {
  readonly stopped?: Latch;
  readonly initFails?: boolean;
  readonly initWaits?: Latch;
  readonly initEntered?: Latch;
}

interface ProbeState {
  readonly args: ProbeArgs;
  readonly history: number[];
  readonly downs: SeenDown[];
  readonly latches: Map<string, Latch>;
  numProduced: number;
}

type ProbeContext = ActorContext<ProbeProtocol, ProbeState>;

export default defineActor<ProbeProtocol, ProbeArgs, ProbeState>({
  async init(_ctx, args) {
    if (args.initEntered !== undefined) openLatch(args.initEntered);
    if (args.initWaits !== undefined) await untilOpen(args.initWaits);
    if (args.initFails === true) throw new RangeError("no such weights");
    return { args, history: [], downs: [], latches: new Map(), numProduced: 0 };
  },
  handlers: {
    add: (state, amount) => void state.history.push(amount),
    history: (state) => state.history,
    echo: (_state, value) => value,
    echoMoved(_state, value, _ctx, call) {
      call.transfer([value.buffer as ArrayBuffer]);
      return value;
    },
    identity: (_state, _message, ctx) => ({ incarnation: ctx.incarnation, name: ctx.self.actor }),
    refuse(_state, how) {
      if (how === "native") throw new RangeError("a bug");
      if (how === "internal") throw new TroupeError("internal", "an invariant");
      throw new TroupeError("queue_full", "full", { details: { limit: 3 }, cause: new TypeError("deep") });
    },
    crash(_state, message) {
      throw new RangeError(message);
    },
    crashLater: (_state, message, ctx) => void ctx.after(0, () => Promise.reject(new RangeError(message))),
    async hold(_state, { entered, release }) {
      openLatch(entered);
      await untilOpen(release);
      return "released";
    },
    spinUntilStop(_state, { entered, left }, ctx) {
      openLatch(entered);
      while (!ctx.stopRequested());
      openLatch(left);
    },
    spinUntilOpen(_state, { entered, release }) {
      openLatch(entered);
      while (!isOpen(release));
    },
    async untilCancelled(_state, { entered, cancelled }, _ctx, call) {
      const { promise, resolve } = Promise.withResolvers<null>();
      call.signal.addEventListener("abort", () => {
        openLatch(cancelled);
        resolve(null);
      });
      openLatch(entered);
      return promise;
    },
    async *count(state, { to, failAt, closed }) {
      try {
        for (let n = 0; n < to; n++) {
          if (n === failAt) throw new TroupeError("cancelled", "enough", { details: { n } });
          state.numProduced++;
          yield n;
        }
      } finally {
        if (closed !== undefined) openLatch(closed);
      }
    },
    numProduced: (state) => state.numProduced,
    waitForever: (_state, { entered, closed }) => ({
      [Symbol.asyncIterator]: () => ({
        next: () => {
          openLatch(entered);
          return new Promise<IteratorResult<number>>(() => undefined);
        },
        return: async () => {
          openLatch(closed);
          return { done: true as const, value: undefined };
        },
      }),
    }),
    sendMany(_state, { to, from, num }, ctx) {
      for (let n = 0; n < num; n++) ctx.tell(to, "add", from + n);
    },
    askOther: (_state, ref, ctx) => outcome(ctx.ask(ref, "identity", null)),
    async sumOther(_state, { of, to }, ctx) {
      let sum = 0;
      for await (const n of ctx.stream(of, "count", { to }, { window: 4 })) sum += n;
      return sum;
    },
    watch(state, { ref, seen }, ctx) {
      state.latches.set(ref.actor, seen);
      ctx.watch(ref);
      return null;
    },
    downs: (state) => state.downs,
    setTimer(_state, { delayMs, every }, ctx: ProbeContext) {
      const tick = (state: ProbeState): void => void state.history.push(state.history.length);
      if (every) ctx.every(delayMs, tick);
      else ctx.after(delayMs, tick);
      return null;
    },
    stopSelf: (_state, _message, ctx) => ctx.stop(),
    log: (_state, message, ctx) => ctx.log("warn", message, { check: () => true, n: 1 }),
    rethrow(_state, encoded) {
      throw decodeError(encoded);
    },
  },
  onDown(state, down) {
    const { reason } = down;
    state.downs.push({
      actor: down.ref.actor,
      incarnation: down.incarnation,
      reason: reason.kind,
      code: reason.kind === "crash" ? reason.error.code : null,
    });
    const latch = state.latches.get(down.ref.actor);
    if (latch !== undefined) openLatch(latch);
  },
  onStop(state) {
    if (state.args.stopped !== undefined) openLatch(state.args.stopped);
  },
});

async function outcome(
  ask: Promise<unknown>,
): Promise<{ readonly code: string | null; readonly value: unknown }> {
  try {
    return { code: null, value: await ask };
  } catch (error) {
    return { code: error instanceof TroupeError ? error.code : String(error), value: encodeError(error) };
  }
}
