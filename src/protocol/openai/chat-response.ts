/** `POST /v1/chat/completions`, the response: whole or as chunks, in OpenAI's order (role, content, finish, usage). */
import type {
  AnswerEvent,
  CollectedAnswer,
  CollectedGeneration,
  PromptEvent,
} from "../collected-generation.ts";
import type { Usage } from "../engine.ts";
import type { ChatRequest } from "./chat-request.ts";
import { type Responder, type ResponseHead, toFinishReason } from "./responder.ts";
import { countsSoFar, sumUsage, toWireUsage } from "./usage.ts";
import { toChatLogprobs, toPromptLogprobs } from "./wire-logprobs.ts";

/** @see Responder */
export class ChatResponder implements Responder {
  readonly #request: ChatRequest;
  readonly #head: ResponseHead;
  readonly #numTokens: number[];
  #numPromptTokens = 0;

  constructor(request: ChatRequest, head: ResponseHead) {
    this.#request = request;
    this.#head = head;
    this.#numTokens = Array.from({ length: head.n }, () => 0);
  }

  whole(generations: readonly CollectedGeneration[]): object {
    const prompt = generations[0]?.prompt;
    return {
      ...this.#common("chat.completion"),
      choices: generations.flatMap(({ answers }) =>
        answers.map((answer, index) => this.#choice(index, answer)),
      ),
      usage: toWireUsage(sumUsage(generations.map((generation) => generation.usage))),
      ...(this.#request.withPromptLogprobs && {
        prompt_logprobs: toPromptLogprobs(prompt?.promptLogprobs ?? []),
      }),
      ...(this.#request.withTokenIds && { prompt_token_ids: prompt?.promptIds }),
    };
  }

  opening(prompts: readonly PromptEvent[]): object[] {
    const promptIds = prompts[0]?.promptIds ?? [];
    this.#numPromptTokens = promptIds.length;
    return this.#numTokens.map((_, index) => {
      const chunk = this.#chunk(index, {
        delta: { role: "assistant", content: "", refusal: null },
        logprobs: null,
        finish_reason: null,
      });
      return index === 0 && this.#request.withTokenIds ? { ...chunk, prompt_token_ids: promptIds } : chunk;
    });
  }

  step(_promptIndex: number, event: AnswerEvent): object[] {
    if (event.kind === "finish") {
      const finish = { finish_reason: toFinishReason(event.finishReason), stop_reason: event.stopReason };
      return [this.#chunk(event.index, { delta: {}, logprobs: null, ...finish })];
    }
    this.#numTokens[event.index]! += event.tokenIds.length;
    if (event.text === "" && event.logprobs === null && !this.#request.withTokenIds) return [];
    const choice = {
      delta: { content: event.text },
      logprobs: event.logprobs === null ? null : toChatLogprobs(event.logprobs),
      finish_reason: null,
      ...(this.#request.withTokenIds && { token_ids: event.tokenIds }),
    };
    return [this.#chunk(event.index, choice)];
  }

  closing(usage: Usage): object[] {
    if (!this.#request.stream.includeUsage) return [];
    return [{ ...this.#common("chat.completion.chunk"), choices: [], usage: toWireUsage(usage) }];
  }

  #choice(index: number, answer: CollectedAnswer): object {
    return {
      index,
      message: { role: "assistant", content: answer.text, refusal: null },
      logprobs: answer.logprobs === null ? null : toChatLogprobs(answer.logprobs),
      finish_reason: toFinishReason(answer.finishReason),
      stop_reason: answer.stopReason,
      ...(this.#request.withTokenIds && { token_ids: answer.tokenIds }),
    };
  }

  #chunk(index: number, choice: object): object {
    const common = this.#common("chat.completion.chunk");
    return { ...common, choices: [{ index, ...choice }], ...this.#usageSoFar(index) };
  }

  #usageSoFar(index: number): object {
    const { includeUsage, continuousUsage } = this.#request.stream;
    if (!continuousUsage) return includeUsage ? { usage: null } : {};
    return { usage: countsSoFar(this.#numPromptTokens, this.#numTokens[index] ?? 0) };
  }

  #common(object: string): object {
    const { id, created, model } = this.#head;
    return { id, object, created, model };
  }
}
