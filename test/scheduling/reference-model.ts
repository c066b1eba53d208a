/**
 * A model small enough to be computed without an engine: the "keys and values" of a position are a hash of all tokens
 * up to it, so any wrong page, slot or order shows in every later token.
 */
import { answerSeed } from "../../src/scheduling/answer-seed.ts";
import type { EngineRequest } from "../../src/scheduling/step-plan.ts";

/** The state after a token, from the state before it. */
export function nextState(state: number, tokenId: number, position: number): number {
  return mix(Math.imul(state, 31) ^ Math.imul(tokenId + 1, 0x9e3779b1) ^ Math.imul(position + 1, 0x85ebca77));
}

/** The state after all of `tokenIds`. */
export function stateAfter(tokenIds: readonly number[]): number {
  return tokenIds.reduce(nextState, 0);
}

/** The token drawn from a state. */
export function draw(state: number, seed: number, position: number, vocabSize: number): number {
  return mix(state ^ mix((seed >>> 0) ^ Math.imul(position, 0xc2b2ae3d))) % vocabSize;
}

/** A made-up log-probability of a token in a state. */
export function scoreOf(state: number, tokenId: number): number {
  return -(mix(state ^ tokenId) % 1000) / 100;
}

/** What a whole answer must be. */
export function referenceAnswer(
  request: EngineRequest,
  index: number,
  limits: { readonly vocabSize: number; readonly eosTokenIds: readonly number[]; readonly maxTokens: number },
): { readonly tokenIds: number[]; readonly reason: "stop" | "length" } {
  const { params, seed } = request;
  const history = [...request.promptIds];
  const tokenIds: number[] = [];
  let state = stateAfter(history);
  for (;;) {
    const tokenId = draw(state, answerSeed(seed, index), history.length, limits.vocabSize);
    state = nextState(state, tokenId, history.length);
    history.push(tokenId);
    tokenIds.push(tokenId);
    if (!params.ignoreEos && limits.eosTokenIds.includes(tokenId)) return { tokenIds, reason: "stop" };
    if (params.stopTokenIds.includes(tokenId)) return { tokenIds, reason: "stop" };
    if (tokenIds.length === params.maxTokens || history.length === limits.maxTokens)
      return { tokenIds, reason: "length" };
  }
}

function mix(value: number): number {
  value = Math.imul(value ^ (value >>> 16), 0x7feb352d);
  value = Math.imul(value ^ (value >>> 15), 0x846ca68b);
  return (value ^ (value >>> 16)) >>> 0;
}
