/**
 * Where every sequence stands, and the moves between. Each move keeps queues, pages and the sampler's knowledge in
 * step; when to make one is the scheduler's decision.
 *
 *     waiting ──enter──► running ──retire──► gone        unforked ──fork──► running
 *        ▲────preempt───────┘
 */
import type { KvCache } from "../kv/kv-cache.ts";
import type { RequestGroup } from "./request-group.ts";
import type { Sequence } from "./sequence.ts";
import { SequenceQueue } from "./sequence-queue.ts";

/** The sequences of one scheduler. Pages are held by running ones only. */
export class SequenceStates {
  /** Requests in flight by id. */
  readonly groups = new Map<string, RequestGroup>();
  readonly waiting = new SequenceQueue();
  readonly running = new SequenceQueue();
  readonly #kv: KvCache;
  #released: number[] = [];

  constructor(kv: KvCache) {
    this.#kv = kv;
  }

  /** Takes a new request in: its carrier waits, or each of its answers when they are forked already. */
  addGroup(group: RequestGroup): void {
    this.groups.set(group.requestId, group);
    for (const answer of group.answers) {
      if (!answer.isWanted) answer.state = "gone";
      else if (group.isForked || answer.index === 0) this.waiting.add(answer);
      else answer.state = "unforked";
    }
  }

  /**
   * waiting -> running, with pages for all its tokens.
   *
   * @param numSparePages pages that must stay free for the growth of those that run
   * @returns false when there is no room; then nothing has changed
   */
  enter(sequence: Sequence, numSparePages: number): boolean {
    const { group, numTokens } = sequence;
    // the last token is always computed, for its logits; so is every token whose logits are still to be scored
    const maxCached = Math.min(numTokens - 1, group.scores?.nextPosition ?? numTokens);
    const numCached = this.#kv.claim(sequence.kv, sequence.tokenIds, numTokens, maxCached, numSparePages);
    if (numCached === null) return false;
    this.waiting.remove(sequence);
    this.running.add(sequence);
    sequence.state = "running";
    sequence.hasEntered = true;
    sequence.numComputed = numCached;
    group.numLookedUpTokens = this.#kv.hasPrefixCache && maxCached > 0 ? sequence.numPromptTokens : 0;
    group.numCachedTokens = Math.min(numCached, sequence.numPromptTokens);
    return true;
  }

  /** running -> waiting: its pages go, its tokens stay and are computed anew. The sampler keeps its history. */
  preempt(sequence: Sequence): void {
    this.running.remove(sequence);
    this.#kv.close(sequence.kv);
    sequence.state = "waiting";
    this.waiting.add(sequence);
  }

  /** unforked -> running, on the carrier's pages. */
  fork(carrier: Sequence, answer: Sequence): void {
    answer.kv = this.#kv.fork(carrier.kv, answer.number);
    answer.numComputed = carrier.numComputed;
    answer.state = "running";
    answer.hasEntered = true;
    this.running.add(answer);
  }

  /** The first tokens of `sequence` are computed up to numComputed: full pages may be found by others. */
  publish(sequence: Sequence): void {
    this.#kv.publish(sequence.kv, sequence.tokenIds, sequence.numComputed);
  }

  /** An answer is finished or cancelled. The carrier goes on while other answers need its prompt. */
  drop(answer: Sequence): void {
    const { group } = answer;
    answer.isWanted = false;
    if (group.numWanted === 0) this.groups.delete(group.requestId);
    if (group.isForked || answer.index > 0) this.retire(answer);
    if (!group.isForked && group.numWanted === 0) this.retire(group.answers[0]!);
  }

  /** Any state -> gone. Pages that a step in flight uses stay until {@link settle}. */
  retire(sequence: Sequence): void {
    if (sequence.state === "waiting") this.waiting.remove(sequence);
    if (sequence.state === "running") this.running.remove(sequence);
    sequence.state = "gone";
    if (sequence.isSamplerAware) this.#released.push(sequence.number);
    if (!sequence.isInFlight) this.#kv.close(sequence.kv);
  }

  /** The step that `sequence` was in is committed. */
  settle(sequence: Sequence): void {
    sequence.isInFlight = false;
    if (sequence.state === "gone") this.#kv.close(sequence.kv);
  }

  /** Sequences the sampler knows that are gone; each is given once. */
  takeReleased(): Int32Array {
    const released = Int32Array.from(this.#released);
    this.#released = [];
    return released;
  }
}
