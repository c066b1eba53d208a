import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { flushStop, matchStop, NO_TAIL, type StopOptions } from "../../src/text/stop-matcher.ts";
import { cutAt } from "./arbitrary-text.ts";

interface Result {
  readonly text: string;
  readonly match: string | null;
}

/** What a reader of the whole text would do: grow it by characters until it ends with a stop string. */
function naive(text: string, { stop, includeStopStrInOutput }: StopOptions, minEnd = 0): Result {
  for (let end = minEnd + 1; end <= text.length; end++) {
    const found = stop
      .filter((candidate) => candidate !== "" && text.slice(0, end).endsWith(candidate))
      .sort((a, b) => b.length - a.length)[0];
    if (found === undefined) continue;
    return { text: text.slice(0, includeStopStrInOutput ? end : end - found.length), match: found };
  }
  return { text, match: null };
}

/** Streams pieces; the first `numEarly` come too early to end the answer. */
function stream(pieces: readonly string[], options: StopOptions, numEarly = 0): Result {
  let state = NO_TAIL;
  let text = "";
  for (const [index, piece] of pieces.entries()) {
    const step = matchStop(state, options, piece, index >= numEarly);
    state = step.state;
    text += step.text;
    if (step.match !== null) return { text, match: step.match };
  }
  return { text: text + flushStop(state, options), match: null };
}

const letters = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 20 });
const optionsOf = fc.record({
  stop: fc.array(fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 5 }), { maxLength: 4 }),
  includeStopStrInOutput: fc.boolean(),
});

describe("stop strings", () => {
  it("give what a reader of the whole text gives, whatever the cuts", () => {
    fc.assert(
      fc.property(letters, optionsOf, fc.array(fc.nat()), (text, options, places) => {
        const pieces = cutAt([...text], places).map((piece) => piece.join(""));
        assert.deepEqual(stream(pieces, options), naive(text, options));
      }),
      { numRuns: 1000 },
    );
  });

  it("do not act where they end too early, but may begin there", () => {
    fc.assert(
      fc.property(letters, optionsOf, fc.array(fc.nat()), fc.nat(4), (text, options, places, numEarly) => {
        const pieces = cutAt([...text], places).map((piece) => piece.join(""));
        const minEnd = pieces.slice(0, numEarly).join("").length;
        assert.deepEqual(stream(pieces, options, numEarly), naive(text, options, minEnd));
      }),
      { numRuns: 1000 },
    );
  });

  it("never show text that belongs to a stop string, nor hold back more than one could need", () => {
    fc.assert(
      fc.property(letters, optionsOf, (text, options) => {
        const whole = naive(text, options);
        let state = NO_TAIL;
        let shown = "";
        for (const piece of text) {
          const step = matchStop(state, options, piece, true);
          state = step.state;
          shown += step.text;
          assert.ok(whole.text.startsWith(shown));
          if (step.match !== null) break;
          assert.ok(state.tail === "" || options.stop.some((stop) => stop.startsWith(state.tail)));
        }
      }),
      { numRuns: 500 },
    );
  });

  it("show text at once when the stop string is shown too", () => {
    const options = { stop: ["END"], includeStopStrInOutput: true };
    const first = matchStop(NO_TAIL, options, "the E", true);
    assert.equal(first.text, "the E");
    assert.deepEqual(matchStop(first.state, options, "ND now", true), {
      state: NO_TAIL,
      text: "ND",
      match: "END",
    });
  });

  it("cut at a stop string made of emoji", () => {
    const options = { stop: ["👍🏽"], includeStopStrInOutput: false };
    assert.deepEqual(stream(["ok 👍", "🏽 more"], options), { text: "ok ", match: "👍🏽" });
    assert.deepEqual(stream(["ok 👍", "🏿 more"], options), { text: "ok 👍🏿 more", match: null });
  });
});
