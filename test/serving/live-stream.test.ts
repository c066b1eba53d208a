import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ManualClock } from "../../src/core/manual-clock.ts";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { KeptStreams, MAX_ENDED_STREAMS } from "../../src/serving/kept-streams.ts";
import { LiveStream, type LiveStreamOptions } from "../../src/serving/live-stream.ts";

const never = new AbortController().signal;
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A source that counts what was pulled, and can be made to wait. */
class Source implements AsyncIterable<number> {
  numPulled = 0;
  readonly #length: number;
  readonly #failure: TroupeError | null;
  #held: PromiseWithResolvers<void> | null = null;

  constructor(length: number, failure: TroupeError | null = null) {
    this.#length = length;
    this.#failure = failure;
  }

  hold(): void {
    this.#held = Promise.withResolvers();
  }

  release(): void {
    this.#held?.resolve();
    this.#held = null;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<number> {
    for (let n = 0; n < this.#length; n++) {
      await this.#held?.promise;
      this.numPulled++;
      yield n;
    }
    if (this.#failure !== null) throw this.#failure;
  }
}

function open(source: Source, options: Partial<LiveStreamOptions<number>> = {}) {
  const clock = new ManualClock();
  const abandoned: number[] = [];
  const stream = new LiveStream({
    source,
    maxEvents: 8,
    isAwaited: true,
    windowMs: 100,
    clock,
    onAbandoned: () => void abandoned.push(clock.now()),
    ...options,
  });
  return { stream, clock, abandoned };
}

/** Takes `count` events and leaves. */
async function take(stream: LiveStream<number>, from: number, count: number): Promise<number[]> {
  const taken: number[] = [];
  if (count === 0) return taken;
  for await (const { number, event } of stream.read(from, never)) {
    assert.equal(number, event);
    taken.push(event);
    if (taken.length === count) break;
  }
  return taken;
}

test("a reader gets every event in order, then the end", async () => {
  const { stream } = open(new Source(20));
  assert.deepEqual(
    await take(stream, 0, Number.POSITIVE_INFINITY),
    Array.from({ length: 20 }, (_, n) => n),
  );
});

test("the source waits when the log is full, and goes on when somebody reads", async () => {
  const source = new Source(20);
  const { stream } = open(source);
  await settle();
  assert.equal(source.numPulled, 9);
  assert.deepEqual(await take(stream, 0, 6), [0, 1, 2, 3, 4, 5]);
  await settle();
  assert.equal(source.numPulled, 10);
  assert.equal((await take(stream, 6, 99)).at(-1), 19);
});

test("the source does not wait for readers that are not expected", async () => {
  const source = new Source(20);
  const { stream } = open(source, { isAwaited: false });
  await stream.ended;
  assert.equal(source.numPulled, 20);
  assert.deepEqual(await take(stream, 12, 99), [12, 13, 14, 15, 16, 17, 18, 19]);
  assert.throws(() => stream.read(11, never), { code: "stream_broken" });
});

test("generation goes on while the reader is away", async () => {
  const source = new Source(20);
  const { stream } = open(source);
  source.hold();
  const first = take(stream, 0, 2);
  source.release();
  assert.deepEqual(await first, [0, 1]);
  await settle();
  assert.ok(stream.numEvents >= 8);
  assert.deepEqual(
    await take(stream, 2, 99),
    Array.from({ length: 18 }, (_, n) => n + 2),
  );
});

test("a stream is abandoned when its window has passed, and not before", async () => {
  const { stream, clock, abandoned } = open(new Source(20));
  await take(stream, 0, 1);
  clock.advance(99);
  await take(stream, 1, 1);
  clock.advance(99);
  assert.deepEqual(abandoned, []);
  clock.advance(1);
  assert.deepEqual(abandoned, [199]);
});

test("without a window a stream is abandoned as soon as its reader leaves", async () => {
  const { stream, abandoned } = open(new Source(20), { windowMs: 0 });
  await settle();
  assert.deepEqual(abandoned, []);
  await take(stream, 0, 1);
  assert.deepEqual(abandoned, [0]);
});

test("a stream that has ended is never abandoned", async () => {
  const { stream, clock, abandoned } = open(new Source(3));
  await stream.ended;
  await take(stream, 0, 1);
  clock.advance(1000);
  assert.deepEqual([abandoned, clock.numPending], [[], 0]);
});

test("a failure of the source comes after the last event, to every reader", async () => {
  const { stream } = open(new Source(3, new TroupeError("engine_failed", "Lost.")));
  for (let reader = 0; reader < 2; reader++) {
    const taken: number[] = [];
    await assert.rejects(
      async () => {
        for await (const { event } of stream.read(0, never)) taken.push(event);
      },
      { code: "engine_failed" },
    );
    assert.deepEqual(taken, [0, 1, 2]);
  }
});

test("a reader that waits ends when its signal is aborted", async () => {
  const source = new Source(20);
  source.hold();
  const { stream } = open(source);
  const controller = new AbortController();
  const next = stream.read(0, controller.signal).next();
  controller.abort(new TroupeError("cancelled", "Gone."));
  await assert.rejects(next, { code: "cancelled" });
});

test("events that have not come yet cannot be skipped", () => {
  const { stream } = open(new Source(0));
  assert.throws(() => stream.read(1, never), { code: "invalid_request" });
});

test("of two readers the faster one goes on; the other is told when it has lost its place", async () => {
  const { stream } = open(new Source(40));
  const slow = stream.read(0, never);
  await slow.next();
  assert.equal((await take(stream, 0, 99)).length, 40);
  await assert.rejects(slow.next(), { code: "stream_broken" });
});

test("however often a reader leaves and returns, it gets each event exactly once", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 2, max: 12 }),
      fc.nat({ max: 40 }),
      fc.array(fc.nat({ max: 9 }), { maxLength: 20 }),
      async (maxEvents, length, visits) => {
        const { stream } = open(new Source(length), { maxEvents });
        const taken: number[] = [];
        for (const count of [...visits, Number.POSITIVE_INFINITY])
          taken.push(...(await take(stream, taken.length, count)));
        assert.deepEqual(
          taken,
          Array.from({ length }, (_, n) => n),
        );
      },
    ),
    { numRuns: 50 },
  );
});

const named = (stream: LiveStream<number>) => ({ stream, cancel: () => undefined });

test("a kept stream is found until a while after its end", async () => {
  const clock = new ManualClock();
  const kept = new KeptStreams<number>({ clock, windowMs: 100 });
  const { stream } = open(new Source(3));
  kept.add("a", "me", named(stream));
  await stream.ended;
  await settle();
  clock.advance(99);
  assert.equal((await kept.read("a", "me", 2, never).next()).value?.event, 2);
  clock.advance(1);
  assert.throws(() => kept.read("a", "me", 0, never), { code: "not_found" });
  assert.equal(kept.size, 0);
});

test("of ended streams only so many are kept, of running ones all", async () => {
  const kept = new KeptStreams<number>({ clock: new ManualClock(), windowMs: 100 });
  const running = new Source(1);
  running.hold();
  kept.add("running", "me", named(open(running).stream));
  for (let n = 0; n <= MAX_ENDED_STREAMS; n++)
    kept.add(`ended-${n}`, "me", named(open(new Source(0)).stream));
  await settle();
  assert.equal(kept.size, MAX_ENDED_STREAMS + 1);
  assert.throws(() => kept.read("ended-0", "me", 0, never), { code: "not_found" });
  assert.doesNotThrow(() => kept.read("running", "me", 0, never));
});
