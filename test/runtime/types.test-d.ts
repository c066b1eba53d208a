/** Compiled, never run: using an actor against its protocol must not compile. */
import type { ActorContext } from "../../src/runtime/actor-definition.ts";
import { defineActor } from "../../src/runtime/actor-definition.ts";
import { type ActorRef, actorRef, type Messenger, type Protocol } from "../../src/runtime/actor-types.ts";

type Counter = {
  add: { message: number };
  total: { message: null; reply: number };
  flush: { message: null; reply: undefined };
  follow: { message: { from: number }; item: number };
};
type Other = { add: { message: string } };

declare const messenger: Messenger;
declare const counter: ActorRef<Counter>;

// what is right compiles
const accepted: boolean = messenger.tell(counter, "add", 1);
const total: Promise<number> = messenger.ask(counter, "total", null, { deadlineMs: 10 });
const flushed: Promise<undefined> = messenger.ask(counter, "flush", null);
const items: AsyncIterable<number> = messenger.stream(counter, "follow", { from: 1 }, { window: 4 });
const named: ActorRef<Counter> = actorRef<Counter>("counter");
const overWire: ActorRef<Counter> = structuredClone(counter);

// @ts-expect-error an unknown kind
messenger.tell(counter, "subtract", 1);
// @ts-expect-error a payload of the wrong type
messenger.tell(counter, "add", "1");
// @ts-expect-error an ask cannot be told
messenger.tell(counter, "total", null);
// @ts-expect-error a tell cannot be asked
messenger.ask(counter, "add", 1);
// @ts-expect-error an ask with reply undefined is still an ask
messenger.tell(counter, "flush", null);
// @ts-expect-error a stream cannot be asked
messenger.ask(counter, "follow", { from: 1 });
// @ts-expect-error an ask cannot be streamed
messenger.stream(counter, "total", null);
// @ts-expect-error a message may not be left out
messenger.ask(counter, "total");
// @ts-expect-error the reply is a number
const wrongReply: Promise<string> = messenger.ask(counter, "total", null);
// @ts-expect-error items are numbers
const wrongItems: AsyncIterable<string> = messenger.stream(counter, "follow", { from: 1 });
// @ts-expect-error a reference of another protocol
const wrongRef: ActorRef<Other> = counter;

declare const ctx: ActorContext<Counter, { total: number }>;
const spawned: Promise<ActorRef<Counter>> = ctx.spawn<Counter>(new URL("file:///counter.ts"), { args: null });
const found: ActorRef<Counter> | null = ctx.lookup<Counter>("counter");
const shards: readonly ActorRef<Counter>[] = ctx.members<Counter>("shards");
ctx.watchGroup("shards", (state, { kind }) => {
  state.total += kind === "joined" ? 1 : -1;
});
// @ts-expect-error a spawned actor speaks its own protocol
const wrongChild: Promise<ActorRef<Other>> = ctx.spawn<Counter>(new URL("file:///counter.ts"), {
  args: null,
});
// @ts-expect-error what was looked up may not be there
messenger.tell(ctx.lookup<Counter>("counter"), "add", 1);
// @ts-expect-error a child is given its arguments
ctx.spawn<Counter>(new URL("file:///counter.ts"), { host: "thread" });
// @ts-expect-error the state has no such field
ctx.watchGroup("shards", (state) => void state.sum);

const good = defineActor<Counter, { start: number }, { total: number }>({
  init: (_ctx, args) => ({ total: args.start }),
  handlers: {
    add: (state, amount) => {
      state.total += amount;
    },
    total: async (state) => state.total,
    flush: () => undefined,
    async *follow(_state, message, ctx: ActorContext<Counter, { total: number }>, call) {
      if (!call.signal.aborted && !ctx.stopRequested()) yield message.from;
    },
  },
});

defineActor<Counter, null, null>({
  init: () => null,
  // @ts-expect-error a kind without a handler
  handlers: { add: () => undefined, total: () => 1, flush: () => undefined },
});
defineActor<{ total: { message: null; reply: number } }, null, null>({
  init: () => null,
  // @ts-expect-error a reply of the wrong type
  handlers: { total: () => "1" },
});
defineActor<{ follow: { message: null; item: number } }, null, null>({
  init: () => null,
  handlers: {
    // @ts-expect-error items of the wrong type
    follow: async function* () {
      yield "1";
    },
  },
});
defineActor<Other, null, { n: number }>({
  // @ts-expect-error init must make the state
  init: () => null,
  handlers: { add: () => undefined },
});

const anyProtocol: Protocol = {} as Counter;
defineActor<Counter, { start: number }, { total: number }>({ ...good, handlers: good.handlers });
// @ts-expect-error arguments of another actor
void ctx.spawn(good, { args: { begin: 1 } });
void [accepted, total, flushed, items, named, overWire, wrongReply, wrongItems, wrongRef, good, anyProtocol];
void [spawned, found, shards, wrongChild];
