/**
 * The three forms in which MindSpore Serving's routes answer. `r2.1` and `dev` are, byte for byte, what the server of that
 * release and of its development branch sent, odd framing included; `troupe` says the same in valid JSON and valid
 * server-sent events.
 */
import type { CollectedAnswer } from "../collected-generation.ts";
import type { TextLogprobs } from "../engine.ts";
import { PythonFloat, toPythonJson } from "../python-json.ts";

/** A form by its name in the configuration. */
export type ReplyForm = "troupe" | "r2.1" | "dev";

/** Tokens of one step of an answer. */
export interface AnswerStep {
  readonly text: string;
  readonly tokenIds: readonly number[];
  /** Null when the request asked for none. */
  readonly logprobs: readonly TextLogprobs[] | null;
}

/** A finished answer and what the request wanted to know of it. */
export interface WholeAnswer extends Pick<CollectedAnswer, "text" | "tokenIds" | "logprobs"> {
  readonly finishReason: string;
  readonly promptLogprobs: readonly (TextLogprobs | null)[] | null;
  readonly seed: number | null;
  readonly wantsDetails: boolean;
}

/** How one form frames an answer. Frames are complete: what stands between them is part of them. */
export interface ReplyFrames {
  readonly contentType: string;
  /** What keeps a silent stream alive; null where the format has nothing for it. */
  readonly keepAlive: string | null;
  /** @param index of the step's first token, from 1 */
  step(step: AnswerStep, index: number): string;
  /** The last frame of a stream; empty for none. */
  full(answer: WholeAnswer, returnFullText: boolean): string;
}

/** A token as all forms show it. */
function toToken(id: number, text: string, logprob: number | null, isSpecial: boolean) {
  return { id, logprob, special: isSpecial, text };
}

/** Words for bodies and frames; knows which tokens are special. */
export class MindsporeReplies {
  readonly #specialIds: ReadonlySet<number>;

  constructor(specialIds: readonly number[]) {
    this.#specialIds = new Set(specialIds);
  }

  /** The body of an answer that is not streamed: JSON, and a line feed in the forms that had one. */
  whole(form: ReplyForm, answer: WholeAnswer): string {
    if (form === "r2.1") return `${toPythonJson({ generated_text: answer.text })}\n`;
    if (form === "dev") return `${toPythonJson(this.#devAnswer(answer))}\n`;
    return JSON.stringify(this.#ownAnswer(answer));
  }

  /** @param protocol what the request asked for; null takes the form's own */
  frames(form: ReplyForm, protocol: "sse" | "raw" | null): ReplyFrames {
    if (form === "dev") return protocol === "raw" ? this.#devRaw() : this.#devSse();
    if (protocol === "raw") return this.#rawLines();
    return form === "r2.1" || protocol === "sse" ? this.#wrappedSse() : this.#ownSse();
  }

  /** One JSON object per token, its fields on the wire as server-sent events define them. */
  #ownSse(): ReplyFrames {
    const frame = (body: object): string => `data: ${JSON.stringify(body)}\n\n`;
    return {
      contentType: "text/event-stream; charset=utf-8",
      keepAlive: ": keep-alive\n\n",
      step: (step, index) => {
        const { id, ...token } = this.#tokenOf(step);
        return frame({ token: { id, index, ...token }, generated_text: null, details: null });
      },
      full: (answer, returnFullText) =>
        frame({
          token: null,
          generated_text: returnFullText ? answer.text : null,
          finish_reason: answer.finishReason,
          generated_tokens: answer.tokenIds.length,
          details: answer.wantsDetails ? this.#details(answer) : null,
        }),
    };
  }

  /** Lines that look like events, ended by one line feed. */
  #rawLines(): ReplyFrames {
    const line = (body: object): string => `data:${toPythonJson(body)}\n`;
    return {
      contentType: "text/plain; charset=utf-8",
      keepAlive: null,
      step: ({ text }, index) => line({ token: { text, index } }),
      full: ({ text }, returnFullText) => (returnFullText ? line({ generated_text: text }) : ""),
    };
  }

  /** Events whose fields stand inside their own data. */
  #wrappedSse(): ReplyFrames {
    const frame = (text: string): string => toServingEvent(text);
    return {
      ...LEGACY_SSE,
      step: ({ text }) => frame(text),
      full: ({ text }, returnFullText) => (returnFullText ? frame(text) : ""),
    };
  }

  #devRaw(): ReplyFrames {
    const line = (body: object): string => `data:${toPythonJson(body)}\n`;
    return {
      contentType: "text/plain; charset=utf-8",
      keepAlive: null,
      step: (step) => line(this.#devStep(step)),
      full: (answer, returnFullText) => (returnFullText ? line(this.#devAnswer(answer)) : ""),
    };
  }

  /** The development branch sent bytes past its own event writer: lines of JSON without "data:". */
  #devSse(): ReplyFrames {
    const line = (body: object): string =>
      `${toPythonJson({ event: "message", retry: RETRY_MS, data: [body] })}\n`;
    return {
      ...LEGACY_SSE,
      step: (step) => line(this.#devStep(step)),
      full: (answer, returnFullText) => {
        const { details, ...rest } = this.#devAnswer(answer);
        return returnFullText ? line({ details, ...rest }) : "";
      },
    };
  }

  #devStep(step: AnswerStep) {
    const token = floatLogprob(this.#tokenOf(step));
    return { details: null, generated_text: step.text, tokens: token, top_tokens: [token] };
  }

  #devAnswer(answer: WholeAnswer) {
    const tokens = this.#tokensOf(answer).map(floatLogprob);
    const first = tokens.slice(0, 1);
    return {
      generated_text: answer.text,
      finish_reason: answer.finishReason,
      generated_tokens: answer.tokenIds.length,
      prefill: first,
      seed: 0,
      tokens,
      top_tokens: [first],
      details: null,
    };
  }

  #ownAnswer(answer: WholeAnswer) {
    return {
      generated_text: answer.text,
      finish_reason: answer.finishReason,
      generated_tokens: answer.tokenIds.length,
      details: answer.wantsDetails ? this.#details(answer) : null,
    };
  }

  #details(answer: WholeAnswer) {
    const prefill = (answer.promptLogprobs ?? []).filter((entry) => entry !== null);
    return {
      finish_reason: answer.finishReason,
      generated_tokens: answer.tokenIds.length,
      seed: answer.seed,
      prefill: prefill.map((entry) => this.#scored(entry)),
      tokens: this.#tokensOf(answer),
      top_tokens: (answer.logprobs ?? []).map(({ top }) => top.map((entry) => this.#scored(entry))),
    };
  }

  #tokenOf({ text, tokenIds, logprobs }: AnswerStep) {
    const id = tokenIds.at(-1) ?? 0;
    return toToken(id, text, logprobs?.at(-1)?.logprob ?? null, this.#specialIds.has(id));
  }

  #tokensOf({ tokenIds, logprobs }: WholeAnswer) {
    if (logprobs !== null) return logprobs.map((entry) => this.#scored(entry));
    return tokenIds.map((id) => toToken(id, "", null, this.#specialIds.has(id)));
  }

  #scored({ tokenId, text, logprob }: Pick<TextLogprobs, "tokenId" | "text" | "logprob">) {
    return toToken(tokenId, text, logprob, this.#specialIds.has(tokenId));
  }
}

const RETRY_MS = 30_000;

const LEGACY_SSE = {
  contentType: "text/event-stream; charset=utf-8",
  keepAlive: ": You can't see this ping\r\n\r\n",
} as const;

/** A value as the old server sent every event: an event of its own inside the data. */
export function toServingEvent(data: unknown): string {
  return `data: ${toPythonJson({ event: "message", retry: RETRY_MS, data })}\r\n\r\n`;
}

function floatLogprob<T extends { readonly logprob: number | null }>(token: T) {
  const { logprob } = token;
  return { ...token, logprob: logprob === null ? null : new PythonFloat(logprob) };
}
