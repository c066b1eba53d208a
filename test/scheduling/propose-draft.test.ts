/** What the scheduler guesses ahead, step by step. How to read a line: engine-trace.ts. Pages hold 4 tokens. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { check, checkAllFree, EngineTrace } from "./engine-trace.ts";
import { ids } from "./requests.ts";

test("a step computes a draft too, keeps what was right of it, and goes on behind that", () => {
  const engine = new EngineTrace({ maxDraftTokens: 4, numDrawnIds: 1 });
  engine.add("a", [...ids(100, 3), 0, 0, 0], { maxTokens: 12 });
  engine.drain();
  check(
    engine,
    `1: a 0+6 [0 1] *
     2: a 6+3 [0 1 2] *
     3: a 9+5 [0 1 2 3] *
     4: a 14+3 [0 1 2 3 4] *`,
  );
  assert.deepEqual(engine.tokensOf("a"), new Array(12).fill(0));
  const { draftTokens, acceptedTokens, generationTokens } = engine.scheduler.status();
  assert.deepEqual([draftTokens, acceptedTokens, generationTokens], [8, 8, 12]);
  checkAllFree(engine);
});

test("wrong drafts are dropped, and there are none for a while", () => {
  const engine = new EngineTrace({ maxDraftTokens: 4, numDrawnIds: 2 });
  engine.add("a", [0, 1, 0, 0, 1, 1, 0, 1], { maxTokens: 12 });
  engine.drain();
  check(
    engine,
    `1: a 0+8 [0 1] *
     2: a 8+3 [0 1 2] *
     3: a 10+3 [0 1 2 3] *
     4: a 13+5 [0 1 2 3 4] *
     5: a 14+1 [0 1 2 3] *
     6: a 15+3 [0 1 2 3 4] *
     7: a 16+1 [0 1 2 3 4] *
     8: a 17+1 [0 1 2 3 4] *
     9: a 18+1 [0 1 2 3 4] *`,
  );
  checkAllFree(engine);
});

test("running sequences share the guesses; with more of them than guesses there are none", () => {
  const engine = new EngineTrace({ maxDraftTokens: 3, numDrawnIds: 1, prefixCache: false });
  for (const [place, name] of ["a", "b", "c", "d"].entries())
    engine.add(name, [100 + place, 0, 0], { maxTokens: 3 + 2 * place });
  engine.drain();
  check(
    engine,
    `1: a 0+3 [0] * | b 0+3 [1] * | c 0+3 [2] * | d 0+3 [3] *
     2: a 3+1 [0] * | b 3+1 [1] * | c 3+1 [2] * | d 3+1 [3] *
     3: a 4+1 [0 4] * | b 4+1 [1 5] * | c 4+1 [2 6] * | d 4+1 [3 7] *
     4: b 5+2 [1 5] * | c 5+2 [2 6] * | d 5+2 [3 7] *
     5: c 7+2 [2 6 1] * | d 7+2 [3 7 5] *
     6: d 9+2 [3 7 5] *`,
  );
  checkAllFree(engine);
});
