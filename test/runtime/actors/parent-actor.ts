/** Spawns, joins, fails others, and asks from within an ask. */
import { TroupeError } from "../../../src/errors/troupe-error.ts";
import { defineActor } from "../../../src/runtime/actor-definition.ts";
import type { ActorRef, AnyActorRef } from "../../../src/runtime/actor-types.ts";
import { type Latch, openLatch, untilOpen } from "../latch.ts";
import type { ProbeProtocol } from "./probe-actor.ts";

export type Seen = readonly [kind: string, actor: string, numMembers: number];

/** How a message looked to its handler. */
export interface Inherited {
  readonly remainingMs: number | null;
  readonly traceparent: string | null;
}

export type ParentProtocol = {
  spawn: {
    message: { readonly host: string; readonly name?: string; readonly initFails?: boolean };
    reply: ActorRef<ProbeProtocol>;
  };
  spawnParent: { message: { readonly host: string }; reply: ActorRef<ParentProtocol> };
  /** The code of what spawning a definition gives. */
  spawnDefinition: { message: null; reply: string };
  stopChild: { message: AnyActorRef; reply: null };
  fail: { message: AnyActorRef; reply: null };
  join: { message: string; reply: null };
  leave: { message: string; reply: null };
  members: { message: string; reply: readonly string[] };
  lookup: { message: string; reply: ActorRef<ProbeProtocol> | null };
  changes: { message: null; reply: readonly Seen[] };
  look: { message: null; reply: Inherited };
  /** What `look` of another gives when asked with a deadline of a minute. */
  lookOf: { message: ActorRef<ParentProtocol>; reply: Inherited };
  /** Answers, and asks the other only afterwards. */
  lookLater: { message: { readonly of: ActorRef<ParentProtocol>; readonly go: Latch }; reply: null };
  seenLater: { message: null; reply: Inherited | null };
  /** Asks one that does not answer, without a deadline of its own; the code it got. */
  askSilent: { message: { readonly of: ActorRef<ProbeProtocol>; readonly entered: Latch }; reply: string };
  crash: { message: null };
};

export interface ParentArgs {
  /** Joined in init. */
  readonly group?: string;
  readonly initWaits?: Latch;
}

interface ParentState {
  readonly changes: Seen[];
  later: Inherited | null;
}

const PROBE = new URL("./probe-actor.ts", import.meta.url);

export default defineActor<ParentProtocol, ParentArgs, ParentState>({
  async init(ctx, { group, initWaits }) {
    if (group !== undefined) ctx.join(group);
    if (initWaits !== undefined) await untilOpen(initWaits);
    ctx.watchGroup("team", (state, { kind, ref, members }) => {
      state.changes.push([kind, ref.actor, members.length]);
    });
    return { changes: [], later: null };
  },
  handlers: {
    spawn: (_state, { initFails = false, ...options }, ctx) =>
      ctx.spawn<ProbeProtocol>(PROBE, { ...options, restart: "temporary", args: { initFails } }),
    spawnParent: (_state, options, ctx) =>
      ctx.spawn<ParentProtocol>(new URL(import.meta.url), { ...options, args: {} }),
    async spawnDefinition(_state, _message, ctx) {
      const definition = defineActor<Record<string, never>, null, null>({ init: () => null, handlers: {} });
      try {
        await ctx.spawn(definition, { args: null });
        return "spawned";
      } catch (error) {
        return error instanceof TroupeError ? error.code : String(error);
      }
    },
    stopChild: async (_state, ref, ctx) => {
      await ctx.stopChild(ref);
      return null;
    },
    async fail(_state, ref, ctx) {
      await ctx.fail(ref, new TroupeError("deadline_exceeded", "it hangs", { details: { step: 7 } }));
      return null;
    },
    join: (_state, group, ctx) => {
      ctx.join(group);
      return null;
    },
    leave: (_state, group, ctx) => {
      ctx.leave(group);
      return null;
    },
    members: (_state, group, ctx) => ctx.members(group).map(({ actor }) => actor),
    lookup: (_state, name, ctx) => ctx.lookup(name),
    changes: (state) => state.changes,
    look: (_state, _message, ctx, call) => ({
      remainingMs: call.remainingMs(),
      traceparent: ctx.traceparent,
    }),
    lookOf: (_state, ref, ctx) => ctx.ask(ref, "look", null, { deadlineMs: 60_000 }),
    lookLater(state, { of, go }, ctx) {
      void untilOpen(go).then(async () => {
        state.later = await ctx.ask(of, "look", null, { deadlineMs: 60_000 });
      });
      return null;
    },
    seenLater: (state) => state.later,
    async askSilent(_state, { of, entered }, ctx) {
      const cancelled = { word: new Int32Array(new SharedArrayBuffer(4)) };
      const asked = ctx.ask(of, "untilCancelled", { entered, cancelled }).then(() => "answered");
      const code = await asked.catch((error: TroupeError) => error.code);
      openLatch(entered);
      return code;
    },
    crash() {
      throw new RangeError("the parent broke");
    },
  },
});
