/** vLLM's first dialect: `POST /generate` with `prompt`. A stream is JSON objects, each ended by a NUL byte. */
import { parse, z } from "../../core/schema.ts";
import { TroupeError } from "../../errors/troupe-error.ts";
import { withoutAbsent } from "../openai/sampling-fields.ts";
import type { AnswerPiece, MindieFormat, MindieResult } from "./mindie-answers.ts";
import { type MindieOptions, type MindieRequest, plainName } from "./mindie-request.ts";
import { foldSeed, isDrawn, readDraw, sharedShape, stopShape } from "./parameters.ts";

const MAX_INT32 = 2 ** 31 - 1;
const penalty = z.number().min(-2).max(2).nullish();
const answers = z.int().min(1).max(128).nullish();

const schema = z.strictObject({
  ...sharedShape,
  ...stopShape,
  prompt: z.string().min(1),
  stream: z.boolean().nullish(),
  model: z.string().nullish(),
  max_tokens: z.int().min(1).max(MAX_INT32).nullish(),
  temperature: z.number().min(0).nullish(),
  top_k: z
    .int()
    .max(MAX_INT32)
    .refine((value) => value === -1 || value >= 1, "must be -1, or at least 1")
    .nullish(),
  repetition_penalty: z.number().gt(0).max(2).nullish(),
  presence_penalty: penalty,
  frequency_penalty: penalty,
  n: answers,
  best_of: answers,
  stop_token_ids: z.array(z.int().min(0)).nullish(),
  include_stop_str_in_output: z.boolean().nullish(),
  ignore_eos: z.boolean().nullish(),
  skip_special_tokens: z.boolean().nullish(),
});

/** @throws TroupeError `invalid_request` naming the field */
export function readVllmRequest(body: unknown, options: MindieOptions): MindieRequest {
  const wire = parse(schema, body, { code: "invalid_request", what: "request body" });
  const numAnswers = wire.n ?? 1;
  if (!isDrawn(wire)) refuseEqualAnswers(wire.best_of ?? numAnswers);
  return {
    prompt: { kind: "text", text: wire.prompt },
    fields: {
      ...readDraw(wire),
      ...withoutAbsent({
        repetitionPenalty: wire.repetition_penalty,
        presencePenalty: wire.presence_penalty,
        frequencyPenalty: wire.frequency_penalty,
        seed: foldSeed(wire.seed),
        n: wire.n,
        bestOf: wire.best_of,
        stop: wire.stop,
        stopTokenIds: wire.stop_token_ids,
        includeStopStrInOutput: wire.include_stop_str_in_output,
        ignoreEos: wire.ignore_eos,
        skipSpecialTokens: wire.skip_special_tokens,
        maxTokens: wire.max_tokens,
      }),
    },
    isStreamed: wire.stream ?? false,
    format: new VllmFormat({ ...options, prompt: wire.prompt, numAnswers }),
    nameField: (field) => (field === "maxTokens" ? "max_tokens" : plainName(field)),
    model: wire.model ?? null,
  };
}

/** @throws TroupeError `invalid_request`: without a draw all answers would be the same */
function refuseEqualAnswers(numAnswers: number): void {
  if (numAnswers === 1) return;
  const message = `"n" and "best_of" must be 1 when the temperature is 0 or not set, not ${numAnswers}.`;
  throw new TroupeError("invalid_request", message, { details: { param: "n" } });
}

interface VllmOptions extends MindieOptions {
  readonly prompt: string;
  readonly numAnswers: number;
}

class VllmFormat implements MindieFormat {
  readonly contentType = "text/event-stream; charset=utf-8";
  readonly #options: VllmOptions;

  constructor(options: VllmOptions) {
    this.#options = options;
  }

  /** A text for each answer; those that this piece is none of have an empty one. */
  piece({ index, text, whole }: AnswerPiece): string {
    const { numAnswers, fullText } = this.#options;
    const texts = Array.from({ length: numAnswers }, (_, place) =>
      place === index ? (fullText ? whole.text : text) : "",
    );
    return toPiece({ text: texts });
  }

  whole({ answers }: MindieResult): object {
    const { prompt, promptSpace } = this.#options;
    return { text: answers.map(({ text }) => `${prompt}${promptSpace ? " " : ""}${text}`) };
  }

  failure(body: object): string {
    return toPiece(body);
  }
}

function toPiece(body: object): string {
  return `${JSON.stringify(body)}\0`;
}
