/**
 * One answer in the making: the prompt, the tokens drawn so far, and how many of them have their keys and values in
 * pages. Plain state; the scheduler decides, this only keeps itself consistent.
 */
import { invariant } from "../errors/troupe-error.ts";
import type { SequenceKv } from "../kv/kv-cache.ts";
import { answerSeed } from "./answer-seed.ts";
import { DraftPace } from "./draft-pace.ts";
import type { RequestGroup } from "./request-group.ts";
import type { SequenceNumber } from "./step-plan.ts";

/**
 * Where a sequence stands: `unforked` until the prompt that it shares with answer 0 is computed; `waiting` without
 * pages; `running` with pages; `gone` for good.
 */
export type SequenceState = "unforked" | "waiting" | "running" | "gone";

/** What a sequence is made of. */
export interface SequenceInit {
  /** Its age too: lower is older. */
  readonly number: SequenceNumber;
  readonly group: RequestGroup;
  readonly index: number;
  readonly kv: SequenceKv;
}

/**
 * A sequence computes tokens numComputed up to numTokens; when the last one is computed, the next can be drawn. So a
 * decode is a prefill of the one token drawn last, and the phases differ in nothing else.
 */
export class Sequence {
  readonly number: SequenceNumber;
  readonly group: RequestGroup;
  readonly index: number;
  readonly seed: number;
  readonly numPromptTokens: number;
  readonly draftPace = new DraftPace();
  state: SequenceState = "waiting";
  /** The client still wants this answer. Answer 0 may compute the prompt for the others without being wanted. */
  isWanted = true;
  /** It was given pages at least once. */
  hasEntered = false;
  /** A planned step that is not committed yet computes it. */
  isInFlight = false;
  /** The sampler has been told of it. */
  isSamplerAware = false;
  kv: SequenceKv;
  /** Tokens with keys and values in pages; means something only while it holds pages. */
  numComputed = 0;
  #numTokens: number;
  #tokens: Int32Array; // [capacity]

  constructor(init: SequenceInit) {
    const { promptIds, seed, resumed } = init.group.request;
    const outputIds = resumed?.[init.index] ?? new Int32Array(0);
    this.number = init.number;
    this.group = init.group;
    this.index = init.index;
    this.kv = init.kv;
    this.seed = answerSeed(seed, init.index);
    this.numPromptTokens = promptIds.length;
    this.#numTokens = promptIds.length + outputIds.length;
    this.#tokens = new Int32Array(this.#numTokens + 32);
    this.#tokens.set(promptIds);
    this.#tokens.set(outputIds, promptIds.length);
  }

  /** Prompt and output. */
  get numTokens(): number {
    return this.#numTokens;
  }

  get numOutputTokens(): number {
    return this.#numTokens - this.numPromptTokens;
  }

  get numRemaining(): number {
    return this.#numTokens - this.numComputed;
  }

  /** One drawn token to compute, then the next to draw. */
  get isDecode(): boolean {
    return this.numRemaining === 1 && this.numOutputTokens > 0;
  }

  /** Answers that run because this sequence does: it and those not yet forked from it. */
  get numSlots(): number {
    return this.group.isForked ? 1 : this.group.numWanted;
  }

  /** Prompt and output ids, a view. [numTokens] */
  get tokenIds(): Int32Array {
    return this.#tokens.subarray(0, this.#numTokens);
  }

  /** Ids drawn so far, a copy. [numOutputTokens] */
  get outputIds(): Int32Array {
    return this.#tokens.slice(this.numPromptTokens, this.#numTokens);
  }

  /** Adds a drawn token. */
  append(tokenId: number): void {
    invariant(this.numRemaining === 0, `sequence ${this.number} drew before its tokens were computed`);
    if (this.#numTokens === this.#tokens.length) this.#grow();
    this.#tokens[this.#numTokens++] = tokenId;
  }

  #grow(): void {
    const larger = new Int32Array(this.#tokens.length * 2);
    larger.set(this.#tokens);
    this.#tokens = larger;
  }
}
