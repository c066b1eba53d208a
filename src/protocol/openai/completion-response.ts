/** `POST /v1/completions`, the response: whole or as chunks. Choices are numbered promptIndex * n + answer. */
import type {
  AnswerEvent,
  CollectedAnswer,
  CollectedGeneration,
  PromptEvent,
} from "../collected-generation.ts";
import type { TextLogprobs, Usage } from "../engine.ts";
import type { CompletionRequest } from "./completion-request.ts";
import { type Responder, type ResponseHead, toFinishReason } from "./responder.ts";
import { countsSoFar, sumUsage, toWireUsage } from "./usage.ts";
import {
  type CompletionLogprobs,
  joinCompletionLogprobs,
  numCharacters,
  toCompletionLogprobs,
  toPromptLogprobs,
} from "./wire-logprobs.ts";

interface OpenChoice {
  /** Characters of the tokens sent so far: where the next one begins. */
  offset: number;
  numTokens: number;
}

/** @see Responder */
export class CompletionResponder implements Responder {
  readonly #request: CompletionRequest;
  readonly #head: ResponseHead;
  readonly #choices = new Map<number, OpenChoice>();
  #prompts: readonly PromptEvent[] = [];

  constructor(request: CompletionRequest, head: ResponseHead) {
    this.#request = request;
    this.#head = head;
  }

  whole(generations: readonly CollectedGeneration[]): object {
    const choices = generations.flatMap(({ prompt, answers }, promptIndex) =>
      answers.map((answer, index) => this.#wholeChoice(promptIndex * this.#head.n + index, prompt, answer)),
    );
    const usage = this.#countUsage(sumUsage(generations.map((generation) => generation.usage)));
    return { ...this.#common(), choices, usage: toWireUsage(usage) };
  }

  opening(prompts: readonly PromptEvent[]): object[] {
    this.#prompts = prompts;
    if (!this.#request.echo && !this.#request.withTokenIds) return [];
    return prompts.flatMap((prompt, promptIndex) =>
      Array.from({ length: this.#head.n }, (_, answer) => {
        const logprobs = this.#echoLogprobs(prompt);
        const index = promptIndex * this.#head.n + answer;
        this.#choiceAt(index).offset = logprobs === null ? 0 : endOf(logprobs);
        const ids = this.#request.withTokenIds ? { prompt_token_ids: prompt.promptIds, token_ids: [] } : {};
        return this.#chunk(index, { text: this.#echoText(prompt), logprobs, finish_reason: null, ...ids });
      }),
    );
  }

  step(promptIndex: number, event: AnswerEvent): object[] {
    const index = promptIndex * this.#head.n + event.index;
    if (event.kind === "finish") {
      const finish = this.#finish(event);
      return [this.#chunk(index, { text: "", logprobs: null, ...finish })];
    }
    const choice = this.#choiceAt(index);
    if (this.#request.promptOnly) return [];
    choice.numTokens += event.tokenIds.length;
    if (event.text === "" && event.logprobs === null && !this.#request.withTokenIds) return [];
    const logprobs = event.logprobs === null ? null : toCompletionLogprobs(event.logprobs, choice.offset);
    if (logprobs !== null) choice.offset = endOf(logprobs);
    const ids = this.#request.withTokenIds ? { token_ids: event.tokenIds } : {};
    return [this.#chunk(index, { text: event.text, logprobs, finish_reason: null, ...ids })];
  }

  closing(usage: Usage): object[] {
    if (!this.#request.stream.includeUsage) return [];
    return [{ ...this.#common(), choices: [], usage: toWireUsage(this.#countUsage(usage)) }];
  }

  #wholeChoice(index: number, prompt: PromptEvent, answer: CollectedAnswer): object {
    const { promptOnly, withTokenIds, withPromptLogprobs } = this.#request;
    return {
      text: this.#echoText(prompt) + (promptOnly ? "" : answer.text),
      index,
      logprobs: this.#wholeLogprobs(prompt, promptOnly ? null : answer.logprobs),
      ...this.#finish(answer),
      ...(withPromptLogprobs && { prompt_logprobs: toPromptLogprobs(prompt.promptLogprobs ?? []) }),
      ...(withTokenIds && {
        prompt_token_ids: prompt.promptIds,
        token_ids: promptOnly ? [] : answer.tokenIds,
      }),
    };
  }

  #finish({ finishReason, stopReason }: Pick<CollectedAnswer, "finishReason" | "stopReason">): object {
    if (this.#request.promptOnly) return { finish_reason: "length", stop_reason: null };
    return { finish_reason: toFinishReason(finishReason), stop_reason: stopReason };
  }

  #wholeLogprobs(prompt: PromptEvent, output: readonly TextLogprobs[] | null): CompletionLogprobs | null {
    const echoed = this.#echoLogprobs(prompt);
    if (output === null) return echoed;
    const own = toCompletionLogprobs(output, echoed === null ? 0 : endOf(echoed));
    return echoed === null ? own : joinCompletionLogprobs([echoed, own]);
  }

  #echoText(prompt: PromptEvent): string {
    return this.#request.echo ? (prompt.promptText ?? "") : "";
  }

  #echoLogprobs(prompt: PromptEvent): CompletionLogprobs | null {
    const { echo, fields } = this.#request;
    if (!echo || fields.logprobs == null || prompt.promptLogprobs === null) return null;
    const scored = prompt.promptLogprobs.reduce(
      (length, position) => length + (position?.text.length ?? 0),
      0,
    );
    const text = prompt.promptText ?? "";
    // The first token has no entry; its text is what the others leave of the prompt.
    return toCompletionLogprobs(prompt.promptLogprobs, 0, text.slice(0, Math.max(0, text.length - scored)));
  }

  /** The token that a prompt-only request had to draw is not shown, so it is not counted. */
  #countUsage(usage: Usage): Usage {
    return this.#request.promptOnly ? { ...usage, numOutputTokens: 0 } : usage;
  }

  #choiceAt(index: number): OpenChoice {
    const choice = this.#choices.get(index) ?? { offset: 0, numTokens: 0 };
    this.#choices.set(index, choice);
    return choice;
  }

  #chunk(index: number, choice: { readonly text: string; readonly [field: string]: unknown }): object {
    const { text, ...others } = choice;
    return { ...this.#common(), choices: [{ text, index, ...others }], ...this.#usageSoFar(index) };
  }

  #usageSoFar(index: number): object {
    const { includeUsage, continuousUsage } = this.#request.stream;
    if (!continuousUsage) return includeUsage ? { usage: null } : {};
    const prompt = this.#prompts[Math.floor(index / this.#head.n)];
    return { usage: countsSoFar(prompt?.promptIds.length ?? 0, this.#choiceAt(index).numTokens) };
  }

  #common(): object {
    const { id, created, model } = this.#head;
    return { id, object: "text_completion", created, model };
  }
}

function endOf(logprobs: CompletionLogprobs): number {
  return (logprobs.text_offset.at(-1) ?? 0) + numCharacters(logprobs.tokens.at(-1) ?? "");
}
