/** All events of one prompt's generation gathered into whole answers: what a response that is not streamed is made of. */
import { invariant } from "../errors/troupe-error.ts";
import type { FinishReason } from "../scheduling/step-plan.ts";
import type { GenerationEvent, TextLogprobs, Usage } from "./engine.ts";

/** The first event of every generation. */
export type PromptEvent = Extract<GenerationEvent, { kind: "prompt" }>;
/** An event of one answer. */
export type AnswerEvent = Extract<GenerationEvent, { kind: "delta" | "finish" }>;

/** One whole answer. */
export interface CollectedAnswer {
  readonly text: string;
  readonly tokenIds: readonly number[];
  /** Null when the request asked for none. */
  readonly logprobs: readonly TextLogprobs[] | null;
  readonly finishReason: FinishReason;
  readonly stopReason: string | number | null;
}

/** One prompt and all its answers. */
export interface CollectedGeneration {
  readonly prompt: PromptEvent;
  /** In the order of their index. */
  readonly answers: readonly CollectedAnswer[];
  readonly usage: Usage;
}

interface OpenAnswer {
  text: string;
  tokenIds: number[];
  logprobs: TextLogprobs[] | null;
  finish: { readonly finishReason: FinishReason; readonly stopReason: string | number | null } | null;
}

/** Takes the events of one generation, in order. */
export class GenerationCollector {
  readonly #prompt: PromptEvent;
  readonly #answers: OpenAnswer[] = [];
  #usage: Usage | null = null;

  constructor(prompt: PromptEvent) {
    this.#prompt = prompt;
  }

  add(event: GenerationEvent): void {
    if (event.kind === "done") this.#usage = event.usage;
    if (event.kind === "delta" || event.kind === "finish") this.#addTo(this.#answerAt(event.index), event);
  }

  /** To be called after `done`. */
  result(): CollectedGeneration {
    invariant(this.#usage !== null, "a generation ended without its done event");
    const answers = this.#answers.map(({ finish, ...answer }, index) => {
      invariant(finish !== null, `answer ${index} ended without its finish event`);
      return { ...answer, ...finish };
    });
    return { prompt: this.#prompt, answers, usage: this.#usage };
  }

  #answerAt(index: number): OpenAnswer {
    while (this.#answers.length <= index)
      this.#answers.push({ text: "", tokenIds: [], logprobs: null, finish: null });
    return this.#answers[index]!;
  }

  #addTo(answer: OpenAnswer, event: AnswerEvent): void {
    if (event.kind === "finish") {
      answer.finish = { finishReason: event.finishReason, stopReason: event.stopReason };
      return;
    }
    answer.text += event.text;
    answer.tokenIds.push(...event.tokenIds);
    if (event.logprobs === null) return;
    answer.logprobs ??= [];
    answer.logprobs.push(...event.logprobs);
  }
}

/**
 * Gathers a whole generation.
 *
 * @param onEvent is shown every event as it comes
 * @throws what the generation throws
 */
export async function collectEvents(
  events: AsyncIterable<GenerationEvent>,
  onEvent: (event: GenerationEvent) => void = () => undefined,
): Promise<CollectedGeneration> {
  let collector: GenerationCollector | null = null;
  for await (const event of events) {
    if (event.kind === "prompt") collector = new GenerationCollector(event);
    collector?.add(event);
    onEvent(event);
  }
  invariant(collector !== null, "a generation ended without its prompt event");
  return collector.result();
}
