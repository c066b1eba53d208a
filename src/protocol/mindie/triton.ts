/** The Triton dialect: `POST /v2/models/:name/generate`, `generate_stream` with a text, and `infer` with token ids. */
import { parse, z } from "../../core/schema.ts";
import { TroupeError } from "../../errors/troupe-error.ts";
import type { AnswerPiece, MindieFormat, MindieResult } from "./mindie-answers.ts";
import { type MindieOptions, type MindieRequest, parameterName, plainName } from "./mindie-request.ts";
import { generationShape, readGeneration, schedulingShape } from "./parameters.ts";

/** A client's own name for a request. */
export const requestId = z
  .string()
  .regex(/^[\w-]{1,256}$/, "must be 1 to 256 letters, digits, underscores and hyphens");

const parameters = z.strictObject({
  ...generationShape,
  ...schedulingShape,
  batch_size: z.int().min(1).nullish(),
});

const textSchema = z.strictObject({
  id: requestId.nullish(),
  text_input: z.string().min(1),
  parameters: parameters.nullish(),
});

/** What a Triton reply names beside the answer. */
export interface TritonNames {
  /** The request's own id, or one that the server made. */
  readonly id: string;
  readonly model: string;
  /** Sequences that run now, this one among them. */
  readonly batchSize: () => number;
}

/** @throws TroupeError `invalid_request`, `unsupported`, naming the field */
export function readTritonText(
  body: unknown,
  isStreamed: boolean,
  names: TritonNames,
  options: MindieOptions,
): MindieRequest {
  const wire = parse(textSchema, body, { code: "invalid_request", what: "request body" });
  const given = wire.parameters ?? {};
  const id = wire.id ?? names.id;
  return {
    id,
    prompt: { kind: "text", text: wire.text_input },
    fields: readGeneration(given),
    isStreamed,
    format: new TritonTextFormat({ ...names, id }, given.details ?? false, options.fullText),
    nameField: parameterName,
    ...timeoutOf(given.timeout),
  };
}

class TritonTextFormat implements MindieFormat {
  readonly #names: TritonNames;
  readonly #showsDetails: boolean;
  readonly #fullText: boolean;

  constructor(names: TritonNames, showsDetails: boolean, fullText: boolean) {
    this.#names = names;
    this.#showsDetails = showsDetails;
    this.#fullText = fullText;
  }

  piece({ text, whole, finishReason, prefillMs, decodeMs, queueMs }: AnswerPiece): string {
    const head = this.#head(this.#fullText ? whole.text : text);
    if (!this.#showsDetails) return this.failure(head);
    const details = {
      ...(finishReason !== null && { finish_reason: finishReason }),
      generated_tokens: whole.tokenIds.length,
      first_token_cost: null,
      decode_cost: null,
      batch_size: this.#names.batchSize(),
      queue_wait_time: queueMs === null ? null : Math.round(queueMs * 1000),
    };
    return this.failure({ ...head, details, prefill_time: prefillMs, decode_time: decodeMs });
  }

  whole({ answers, prefillMs, decodeMs }: MindieResult): object {
    const { text, tokenIds, finishReason } = answers[0]!;
    const head = this.#head(text);
    if (!this.#showsDetails) return head;
    const details = {
      finish_reason: finishReason,
      generated_tokens: tokenIds.length,
      first_token_cost: prefillMs,
      decode_cost: decodeMs,
    };
    return { ...head, details };
  }

  failure(body: object): string {
    return `data:${JSON.stringify(body)}\n\n`;
  }

  #head(text: string): object {
    const { id, model } = this.#names;
    return { id, model_name: model, model_version: null, text_output: text };
  }
}

const tensor = z.strictObject({
  name: z.string().max(256),
  shape: z.array(z.int().min(0)).min(1).max(2),
  datatype: z.literal("UINT32", "must be UINT32"),
  data: z.array(z.int().min(0)).min(1),
  parameters: parameters.nullish(),
});

const tokenSchema = z.strictObject({
  id: requestId.nullish(),
  inputs: z.array(tensor).length(1, "must be one tensor"),
  outputs: z.array(z.object({ name: z.string() })).length(1, "must be one tensor's name"),
  parameters: parameters.nullish(),
});

/** @throws TroupeError `invalid_request`, `unsupported`, naming the field */
export function readTritonTokens(body: unknown, names: TritonNames): MindieRequest {
  const wire = parse(tokenSchema, body, { code: "invalid_request", what: "request body" });
  const input = wire.inputs[0]!;
  const given = input.parameters ?? wire.parameters ?? {};
  checkShape(input.shape, input.data.length);
  const id = wire.id ?? names.id;
  return {
    id,
    prompt: { kind: "ids", ids: input.data },
    fields: readGeneration(given),
    isStreamed: false,
    format: new TritonTokenFormat(id, wire.outputs[0]!.name || "output0"),
    nameField: (field) => `inputs.0.parameters.${plainName(field)}`,
    ...timeoutOf(given.timeout),
  };
}

class TritonTokenFormat implements MindieFormat {
  readonly #id: string;
  readonly #output: string;

  constructor(id: string, output: string) {
    this.#id = id;
    this.#output = output;
  }

  /** Token ids come whole only. */
  piece(): string {
    return "";
  }

  whole({ answers }: MindieResult): object {
    const { tokenIds } = answers[0]!;
    const output = {
      name: this.#output,
      shape: [1, tokenIds.length],
      datatype: "UINT32",
      data: tokenIds,
    };
    return { id: this.#id, outputs: [output] };
  }

  failure(): string {
    return "";
  }
}

function checkShape(shape: readonly number[], length: number): void {
  if (shape.at(-1) === length && (shape.length === 1 || shape[0] === 1)) return;
  const message = `"inputs.0.shape" is [${shape.join(", ")}], but the data has ${length} elements; it must be [1, ${length}].`;
  throw new TroupeError("invalid_request", message, { details: { param: "inputs.0.shape" } });
}

function timeoutOf(seconds: number | null | undefined): Pick<MindieRequest, "timeoutMs"> {
  return seconds == null ? {} : { timeoutMs: seconds * 1000 };
}
