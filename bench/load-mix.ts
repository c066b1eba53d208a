/** Requests as a mixed crowd sends them: at random moments, long and short, half of them behind a prefix that others have too. */
import { uniformAt } from "../src/sampling/counter-random.ts";

/** One request and when it is sent. */
export interface LoadRequest {
  readonly atMs: number;
  readonly prompt: string;
  /** Of the answer, exactly. */
  readonly numTokens: number;
  readonly seed: number;
}

/** Words of a prompt and tokens of an answer, with their shares. */
const OWN_WORDS: Weighted = [
  [12, 0.5],
  [40, 0.3],
  [150, 0.2],
];
const ANSWER_TOKENS: Weighted = [
  [16, 0.3],
  [64, 0.4],
  [128, 0.2],
  [256, 0.1],
];
const NUM_PREFIXES = 4;
const PREFIX_WORDS = 120;
const SHARED_SHARE = 0.5;
const WORDS =
  "once upon a time there was little fox who lived near the old mill and every day it went to river with its friend bear they were happy but one found box under tree inside small light that".split(
    " ",
  );

type Weighted = readonly (readonly [value: number, share: number])[];

/**
 * The same for the same seed. Times between two requests are exponential (a Poisson process), however long answers take.
 *
 * @param options.rate requests a second
 */
export function loadMix(options: {
  readonly seed: number;
  readonly rate: number;
  readonly durationMs: number;
}): LoadRequest[] {
  let position = 0;
  const draw = (): number => uniformAt(options.seed, position++);
  const pick = (weighted: Weighted): number => {
    let left = draw();
    for (const [value, share] of weighted) {
      left -= share;
      if (left < 0) return value;
    }
    return weighted.at(-1)![0];
  };
  const words = (num: number): string =>
    Array.from({ length: num }, () => WORDS[Math.floor(draw() * WORDS.length)]).join(" ");
  const prefixes = Array.from({ length: NUM_PREFIXES }, () => words(PREFIX_WORDS));
  const requests: LoadRequest[] = [];
  for (let atMs = 0; ; ) {
    atMs += (-Math.log(1 - draw()) * 1000) / options.rate;
    if (atMs >= options.durationMs) return requests;
    const shared = draw() < SHARED_SHARE ? `${prefixes[Math.floor(draw() * NUM_PREFIXES)]} ` : "";
    const prompt = shared + words(pick(OWN_WORDS));
    requests.push({ atMs, prompt, numTokens: pick(ANSWER_TOKENS), seed: requests.length });
  }
}
