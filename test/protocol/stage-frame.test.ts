import assert from "node:assert/strict";
import { test } from "node:test";
import { StageTeller } from "../../src/protocol/stage-frame.ts";
import { stepTime } from "../scheduling/step-figures.ts";
import { FakeEngine } from "../serving/fake-engine.ts";

const step = (engine: number, number: number) =>
  stepTime({ engine, step: number, totalMs: 3.00004, executeMs: 2, sampleMs: 0.5, numTokens: 4 });

test("the first frame has every page, the next the pages that changed, as runs", () => {
  const engine = new FakeEngine();
  engine.pages = Uint8Array.of(0, 0, 2, 2, 3, 0);
  const teller = new StageTeller();
  assert.deepEqual(teller.next(engine, 1)?.pages, [
    [0, 2, 0],
    [2, 2, 2],
    [4, 1, 3],
    [5, 1, 0],
  ]);
  assert.equal(teller.next(engine, 2), null);
  engine.pages = Uint8Array.of(2, 0, 2, 1, 1, 1);
  assert.deepEqual(teller.next(engine, 3)?.pages, [
    [0, 1, 2],
    [3, 3, 1],
  ]);
});

test("each step is told once, also of several engines that count for themselves", () => {
  const engine = new FakeEngine();
  const teller = new StageTeller();
  const told = (): number[] | undefined => teller.next(engine, 0)?.steps.map(([number]) => number);
  engine.steps = [step(0, 7), step(0, 8), step(1, 2)];
  assert.deepEqual(told(), [7, 8, 2]);
  engine.steps = [step(0, 8), step(1, 2), step(1, 3)];
  assert.deepEqual(told(), [3]);
  assert.equal(told(), undefined);
});

test("an engine that begins to count anew is told from its beginning", () => {
  const engine = new FakeEngine();
  const teller = new StageTeller();
  engine.steps = [step(0, 90), step(0, 91)];
  teller.next(engine, 0);
  engine.steps = [step(0, 1), step(0, 2)];
  assert.deepEqual(teller.next(engine, 1)?.steps, [
    [1, 3, 2, 0.5, 4],
    [2, 3, 2, 0.5, 4],
  ]);
});

test("another number of pages is told whole", () => {
  const engine = new FakeEngine();
  const teller = new StageTeller();
  engine.pages = new Uint8Array(4);
  teller.next(engine, 0);
  engine.pages = new Uint8Array(2);
  const frame = teller.next(engine, 1);
  assert.deepEqual([frame?.num_pages, frame?.pages], [2, [[0, 2, 0]]]);
});
