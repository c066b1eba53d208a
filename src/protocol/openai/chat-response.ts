/** `POST /v1/chat/completions`, the response: whole or as chunks, in OpenAI's order (role, content, finish, usage). */
import type {
  AnswerEvent,
  CollectedAnswer,
  CollectedGeneration,
  PromptEvent,
} from "../collected-generation.ts";
import type { Usage } from "../engine.ts";
import type { ToolEvent } from "../tools/tool-events.ts";
import type { ToolPlan } from "../tools/tool-plan.ts";
import { readToolCalls, ToolReader } from "../tools/tool-reader.ts";
import type { ChatRequest } from "./chat-request.ts";
import type { Responder, ResponseHead } from "./responder.ts";
import { countsSoFar, sumUsage, toWireUsage } from "./usage.ts";
import { toChatLogprobs, toPromptLogprobs } from "./wire-logprobs.ts";
import { finishReasonOf, toCallId, toToolDelta, toWireCall } from "./wire-tool-calls.ts";

/** @see Responder */
export class ChatResponder implements Responder {
  readonly #request: ChatRequest;
  readonly #head: ResponseHead;
  readonly #tools: ToolPlan | null;
  /** One for each answer of a stream, when calls are read. */
  readonly #readers: readonly ToolReader[];
  readonly #numTokens: number[];
  #numPromptTokens = 0;

  /** @param tools null when the answer is text, whatever it looks like */
  constructor(request: ChatRequest, head: ResponseHead, tools: ToolPlan | null = null) {
    this.#request = request;
    this.#head = head;
    this.#tools = tools;
    this.#readers = tools === null ? [] : Array.from({ length: head.n }, () => new ToolReader(tools));
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
    return event.kind === "finish" ? this.#finish(event) : this.#delta(event);
  }

  #finish(event: AnswerEvent & { kind: "finish" }): object[] {
    const { index, finishReason, stopReason } = event;
    const reader = this.#readers[index];
    const last = this.#toolDeltas(index, reader?.end() ?? []);
    const finish = {
      finish_reason: finishReasonOf(finishReason, reader?.numCalls ?? 0),
      stop_reason: stopReason,
    };
    return [
      ...last.map((delta) => this.#chunk(index, { delta, logprobs: null, finish_reason: null })),
      this.#chunk(index, { delta: {}, logprobs: null, ...finish }),
    ];
  }

  #delta(event: AnswerEvent & { kind: "delta" }): object[] {
    const { index, text, tokenIds } = event;
    this.#numTokens[index]! += tokenIds.length;
    const reader = this.#readers[index];
    const deltas: object[] =
      reader === undefined
        ? text === ""
          ? []
          : [{ content: text }]
        : this.#toolDeltas(index, reader.push(text));
    const mustSay = event.logprobs !== null || this.#request.withTokenIds;
    if (deltas.length === 0 && mustSay) deltas.push(reader === undefined ? { content: "" } : {});
    return deltas.map((delta, place) => {
      const isFirst = place === 0;
      return this.#chunk(index, {
        delta,
        logprobs: isFirst && event.logprobs !== null ? toChatLogprobs(event.logprobs) : null,
        finish_reason: null,
        ...(this.#request.withTokenIds && { token_ids: isFirst ? tokenIds : [] }),
      });
    });
  }

  #toolDeltas(index: number, events: readonly ToolEvent[]): object[] {
    return events.map((event) => toToolDelta(event, this.#callId(index, event)));
  }

  /** Unique in the world: the response's id is. */
  #callId(index: number, event: ToolEvent): string {
    return toCallId(this.#head.id, index, event.kind === "text" ? 0 : event.index);
  }

  closing(usage: Usage): object[] {
    if (!this.#request.stream.includeUsage) return [];
    return [{ ...this.#common("chat.completion.chunk"), choices: [], usage: toWireUsage(usage) }];
  }

  #choice(index: number, answer: CollectedAnswer): object {
    const { text, calls } =
      this.#tools === null ? { text: answer.text, calls: [] } : readToolCalls(this.#tools, answer.text);
    return {
      index,
      message: {
        role: "assistant",
        content: text === "" && calls.length > 0 ? null : text,
        refusal: null,
        ...(calls.length > 0 && {
          tool_calls: calls.map((call, place) => toWireCall(call, toCallId(this.#head.id, index, place))),
        }),
      },
      logprobs: answer.logprobs === null ? null : toChatLogprobs(answer.logprobs),
      finish_reason: finishReasonOf(answer.finishReason, calls.length),
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
