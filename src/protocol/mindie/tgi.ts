/**
 * The Text Generation Inference dialect of MindIE: `POST /`, `/generate` with `inputs`, and `/generate_stream`. Where
 * MindIE sends null for a token's logprob and special, the true values stand.
 */
import { parse, z } from "../../core/schema.ts";
import { TroupeError } from "../../errors/troupe-error.ts";
import type { TextLogprobs } from "../engine.ts";
import type { AnswerPiece, MindieFormat, MindieResult } from "./mindie-answers.ts";
import { type MindieOptions, type MindieRequest, parameterName } from "./mindie-request.ts";
import { generationShape, readGeneration, stopShape } from "./parameters.ts";

const parameters = z.strictObject({
  ...generationShape,
  ...stopShape,
  decoder_input_details: z.boolean().nullish(),
  return_full_text: z.boolean().nullish(),
  truncate: z.int().min(1).nullish(),
  adapter_id: z.string().nullish(),
  // Text Generation Inference's own, which MindIE leaves aside
  best_of: z.int().min(1).max(128).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
});

const schema = z.strictObject({
  inputs: z.string().min(1),
  parameters: parameters.nullish(),
  stream: z.boolean().nullish(),
});

/**
 * @param isStreamed null leaves it to the request's `stream`
 * @throws TroupeError `invalid_request`, `unsupported`, naming the field
 */
export function readTgiRequest(
  body: unknown,
  isStreamed: boolean | null,
  options: MindieOptions,
): MindieRequest {
  const wire = parse(schema, body, { code: "invalid_request", what: "request body" });
  const given = wire.parameters ?? {};
  const streams = isStreamed ?? wire.stream ?? false;
  const showsPrompt = given.decoder_input_details ?? false;
  if (streams && showsPrompt)
    throw invalid("decoder_input_details", "must not be true when the reply is a stream");
  refuseAdapter(given.adapter_id);
  const showsDetails = (given.details ?? false) || showsPrompt;
  const seed = given.seed ?? options.newSeed();
  const prompt = given.return_full_text ? `${wire.inputs}${options.promptSpace ? " " : ""}` : "";
  return {
    prompt: { kind: "text", text: wire.inputs },
    fields: {
      ...readGeneration({ ...given, seed }),
      ...(given.best_of != null && { bestOf: given.best_of }),
      ...(given.frequency_penalty != null && { frequencyPenalty: given.frequency_penalty }),
      ...((streams || showsDetails) && { logprobs: 0 }),
      ...(showsPrompt && { promptLogprobs: 0 }),
    },
    isStreamed: streams,
    format: new TgiFormat({ ...options, prompt, showsDetails, showsPrompt, seed }),
    nameField: parameterName,
    ...(given.truncate != null && { promptCut: { numTokens: given.truncate, keep: "end" } }),
  };
}

interface TgiOptions extends MindieOptions {
  /** What stands before the answer. */
  readonly prompt: string;
  readonly showsDetails: boolean;
  readonly showsPrompt: boolean;
  readonly seed: number;
}

class TgiFormat implements MindieFormat {
  readonly #options: TgiOptions;
  readonly #specialIds: ReadonlySet<number>;

  constructor(options: TgiOptions) {
    this.#options = options;
    this.#specialIds = new Set(options.model.eosTokenIds);
  }

  piece(piece: AnswerPiece, { promptIds }: MindieResult["prompt"]): string {
    const { prompt, showsDetails, fullText, seed } = this.#options;
    const { finishReason, whole } = piece;
    const isLast = finishReason !== null;
    const id = piece.tokenIds.at(-1) ?? null;
    return toFrame({
      token: {
        id,
        text: fullText ? whole.text : piece.text,
        logprob: piece.logprobs?.at(-1)?.logprob ?? null,
        special: id === null ? null : this.#specialIds.has(id),
      },
      generated_text: isLast ? prompt + whole.text : null,
      details:
        isLast && showsDetails
          ? {
              prompt_tokens: promptIds.length,
              finish_reason: finishReason,
              generated_tokens: whole.tokenIds.length,
              seed,
            }
          : null,
    });
  }

  whole({ prompt: { promptIds, promptLogprobs }, answers }: MindieResult): object {
    const { prompt, showsDetails, showsPrompt, seed } = this.#options;
    const { text, tokenIds, logprobs, finishReason } = answers[0]!;
    const generated_text = prompt + text;
    if (!showsDetails) return { generated_text };
    const details = {
      prompt_tokens: promptIds.length,
      finish_reason: finishReason,
      generated_tokens: tokenIds.length,
      prefill: showsPrompt
        ? promptIds.map((id, place) => this.#token(id, promptLogprobs?.[place] ?? null))
        : [],
      seed,
      tokens: tokenIds.map((id, place) => this.#token(id, logprobs?.[place] ?? null)),
    };
    return { details, generated_text };
  }

  failure(body: object): string {
    return toFrame(body);
  }

  #token(id: number, scored: TextLogprobs | null): object {
    const { logprob = null, text = null } = scored ?? {};
    return { id, logprob, special: this.#specialIds.has(id), text };
  }
}

function toFrame(body: object): string {
  return `data: ${JSON.stringify(body)}\n\n`;
}

function refuseAdapter(adapter: string | null | undefined): void {
  if (adapter == null || adapter === "None") return;
  const message = '"parameters.adapter_id": this server has no adapters; leave it out.';
  throw new TroupeError("unsupported", message, { details: { param: "parameters.adapter_id" } });
}

function invalid(name: string, what: string): TroupeError {
  const param = `parameters.${name}`;
  return new TroupeError("invalid_request", `"${param}" ${what}.`, { details: { param } });
}
