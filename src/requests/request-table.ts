/**
 * All requests in flight, and what one step of the engine does to them: tokens go out to become text (`beginStep`), the
 * text comes back (`endStep`), with cancellations and ends possible in between.
 */
import { TroupeError } from "../errors/troupe-error.ts";
import type { SequenceOutput, StepOutput } from "../scheduling/step-plan.ts";
import type { ActiveRequest } from "./active-request.ts";
import type { TextStep, TokenStep } from "./text-stage.ts";

/** One answer's part in a step, on its way to become text. */
export interface PendingAnswer {
  readonly request: ActiveRequest;
  readonly output: SequenceOutput;
}

/** An answer that its text ended; the scheduler does not know yet. */
export interface EndedByText {
  readonly requestId: string;
  readonly index: number;
}

/** Requests by id, oldest first. */
export class RequestTable {
  readonly #requests = new Map<string, ActiveRequest>();

  get size(): number {
    return this.#requests.size;
  }

  /** Oldest first. */
  get all(): readonly ActiveRequest[] {
    return [...this.#requests.values()];
  }

  get(requestId: string): ActiveRequest | undefined {
    return this.#requests.get(requestId);
  }

  /** @throws TroupeError `invalid_request` when the id is in use */
  add(request: ActiveRequest): void {
    const { requestId } = request;
    if (this.#requests.has(requestId))
      throw new TroupeError("invalid_request", `Request id "${requestId}" is in use; choose another.`, {
        details: { requestId },
      });
    this.#requests.set(requestId, request);
  }

  remove(request: ActiveRequest): void {
    if (this.#requests.get(request.requestId) === request) this.#requests.delete(request.requestId);
  }

  /**
   * Takes the tokens in of a step planned at `startMs`; returns what has to become text. Answers that nobody waits for
   * are left out.
   */
  beginStep(step: StepOutput, startMs: number): PendingAnswer[] {
    for (const { requestId, numCachedTokens } of step.started)
      this.get(requestId)?.started(numCachedTokens, startMs);
    for (const { requestId, reason, isRequestFault } of step.failures) {
      const code = isRequestFault ? "invalid_request" : "internal";
      this.get(requestId)?.fail(new TroupeError(code, reason, { details: { requestId } }));
    }
    return step.sequences.flatMap((output) => {
      const request = this.get(output.requestId);
      if (request === undefined || request.isFinished(output.index)) return [];
      request.received(output.index, output.tokenIds);
      return [{ request, output }];
    });
  }

  /** Hands the text of a step to its requests; returns the answers that a stop string ended. */
  endStep(pending: readonly PendingAnswer[], texts: readonly (readonly TextStep[])[]): EndedByText[] {
    const ended: EndedByText[] = [];
    for (const [place, { request, output }] of pending.entries()) {
      const { requestId, index, stopTokenId } = output;
      for (const { state, stopString, finishReason, ...text } of texts[place]!) {
        if (finishReason !== null && output.finishReason === null) ended.push({ requestId, index });
        const finish = finishReason && { finishReason, stopReason: stopString ?? stopTokenId };
        request.accept({ ...text, index, output: state, finish });
      }
    }
    return ended;
  }
}

/**
 * The tokens of `pending` as the text stage takes them: one at a time, so that a client's events do not depend on how many
 * tokens a step brings.
 */
export function tokenSteps(pending: readonly PendingAnswer[]): TokenStep[] {
  return pending.map(({ request, output }) => ({
    state: request.outputOf(output.index),
    parts: output.tokenIds.map((id, place) => ({
      tokenIds: [id],
      logprobs: output.logprobs?.slice(place, place + 1) ?? null,
      finishReason: place === output.tokenIds.length - 1 ? output.finishReason : null,
    })),
  }));
}
