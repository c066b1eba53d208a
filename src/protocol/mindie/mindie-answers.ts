/**
 * The events of one generation as MindIE's formats show them: one piece for each token, the last one with the end of its
 * answer, each with the time it took.
 */
import type { FinishReason } from "../../scheduling/step-plan.ts";
import type { PromptEvent } from "../collected-generation.ts";
import type { GenerationEvent, TextLogprobs } from "../engine.ts";

/** Text and tokens of an answer, or of a piece of one. */
export interface AnswerPart {
  readonly text: string;
  readonly tokenIds: readonly number[];
  /** Null when the request asked for none. */
  readonly logprobs: readonly TextLogprobs[] | null;
}

/** What one step added. */
export interface AnswerPiece extends AnswerPart {
  readonly index: number;
  /** All of this answer so far, this piece included; its lists grow with the answer. */
  readonly whole: AnswerPart;
  /** In MindIE's words; null while it goes on. */
  readonly finishReason: string | null;
  /** From the request to this token, when it is the first; else null. */
  readonly prefillMs: number | null;
  /** Since the token before; null for the first. */
  readonly decodeMs: number | null;
  /** How long the prompt waited for its first step; null while that is not known. */
  readonly queueMs: number | null;
}

/** One whole answer. */
export interface MindieAnswer extends AnswerPart {
  readonly finishReason: string;
}

/** One generation at its end. */
export interface MindieResult {
  readonly prompt: PromptEvent;
  readonly answers: readonly MindieAnswer[];
  /** From the request to the first token, and from there to the last; null without a token. */
  readonly prefillMs: number | null;
  readonly decodeMs: number | null;
}

/** How one format writes. */
export interface MindieFormat {
  /** Of the stream; default: server-sent events. */
  readonly contentType?: string;
  /** One frame, complete. */
  piece(piece: AnswerPiece, prompt: PromptEvent): string;
  /** The body of a reply that is not streamed. */
  whole(result: MindieResult): object;
  /** The frame of a failure in the middle of a stream. */
  failure(body: object): string;
}

interface OpenAnswer {
  text: string;
  readonly tokenIds: number[];
  logprobs: TextLogprobs[] | null;
  finishReason: string | null;
  /** The last piece, held until its finish comes. */
  held: Omit<AnswerPiece, "finishReason"> | null;
}

const NOTHING: AnswerPart = { text: "", tokenIds: [], logprobs: null };

/** Takes the events of one prompt's generation, in order. */
export class MindieAnswers {
  readonly #prompt: PromptEvent;
  readonly #startMs: number;
  readonly #answers: OpenAnswer[];
  #firstMs: number | null = null;
  #lastMs: number | null = null;
  #queueMs: number | null = null;

  /** @param startMs when the request came, on the clock of {@link add} */
  constructor(prompt: PromptEvent, numAnswers: number, startMs: number) {
    this.#prompt = prompt;
    this.#startMs = startMs;
    this.#answers = Array.from({ length: numAnswers }, () => ({
      text: "",
      tokenIds: [],
      logprobs: null,
      finishReason: null,
      held: null,
    }));
  }

  /** @returns the piece that is complete now; null for none */
  add(event: GenerationEvent, nowMs: number): AnswerPiece | null {
    if (event.kind !== "delta" && event.kind !== "finish") return null;
    const answer = this.#answers[event.index]!;
    if (event.kind === "finish") return this.#finish(answer, event.index, toFinishReason(event));
    const { index, text, tokenIds, logprobs } = event;
    this.#queueMs ??= event.queueMs ?? null;
    answer.text += text;
    answer.tokenIds.push(...tokenIds);
    if (logprobs !== null) {
      answer.logprobs ??= [];
      answer.logprobs.push(...logprobs);
    }
    const piece = {
      index,
      text,
      tokenIds,
      logprobs,
      whole: partOf(answer),
      ...this.#times(nowMs),
      queueMs: this.#queueMs,
    };
    if (event.isLast !== true) return { ...piece, finishReason: null };
    answer.held = piece;
    return null;
  }

  /** The client ended the request: the ends of the answers that were going on. */
  stop(): AnswerPiece[] {
    return this.#answers.flatMap((answer, index) =>
      answer.finishReason === null ? [this.#finish(answer, index, STOPPED)] : [],
    );
  }

  /** To be called at the end. */
  result(): MindieResult {
    const [first, last] = [this.#firstMs, this.#lastMs];
    return {
      prompt: this.#prompt,
      answers: this.#answers.map(({ text, tokenIds, logprobs, finishReason }) => ({
        text,
        tokenIds,
        logprobs,
        finishReason: finishReason ?? STOPPED,
      })),
      prefillMs: first === null ? null : Math.round(first - this.#startMs),
      decodeMs: first === null || last === null ? null : Math.round(last - first),
    };
  }

  #finish(answer: OpenAnswer, index: number, finishReason: string): AnswerPiece {
    answer.finishReason = finishReason;
    const piece = answer.held ?? {
      ...NOTHING,
      index,
      whole: partOf(answer),
      prefillMs: null,
      decodeMs: null,
      queueMs: this.#queueMs,
    };
    answer.held = null;
    return { ...piece, finishReason };
  }

  #times(nowMs: number): Pick<AnswerPiece, "prefillMs" | "decodeMs"> {
    const last = this.#lastMs;
    this.#lastMs = nowMs;
    this.#firstMs ??= nowMs;
    return last === null
      ? { prefillMs: Math.round(nowMs - this.#startMs), decodeMs: null }
      : { prefillMs: null, decodeMs: Math.round(nowMs - last) };
  }
}

function partOf({ text, tokenIds, logprobs }: OpenAnswer): AnswerPart {
  return { text, tokenIds, logprobs };
}

/** MindIE's word for an answer that a stop text or its client ended. */
const STOPPED = "stop_sequence";

function toFinishReason({
  finishReason,
  stopReason,
}: {
  readonly finishReason: FinishReason;
  readonly stopReason: string | number | null;
}): string {
  if (finishReason === "length") return "length";
  return finishReason === "stop" && stopReason === null ? "eos_token" : STOPPED;
}
