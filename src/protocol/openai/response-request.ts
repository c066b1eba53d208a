/** `POST /v1/responses` and `response.create`, the request: its schema and the mapping onto items and sampling fields. */
import { parse, z } from "../../core/schema.ts";
import { TroupeError } from "../../errors/troupe-error.ts";
import type { GrammarSpec } from "../../sampling/grammar/grammar-spec.ts";
import { readTextFormat } from "./answer-format.ts";
import { type ItemContent, readItems } from "./response-items.ts";
import { type ResponseTools, readResponseTools } from "./response-tools.ts";
import { readSamplingFields, type SamplingFields, samplingShape, wireName } from "./sampling-fields.ts";
import { refuseUnsupported, toleratedShape, UNSUPPORTED_FIELDS } from "./tolerated-fields.ts";
import { toolShape } from "./tool-fields.ts";

const unsupported = {
  ...UNSUPPORTED_FIELDS,
  access_programs: [],
  context_management: [[]],
  conversation: [],
  image: [],
  moderation: [],
  prompt: [],
};

/** What OpenAI knows; only log-probabilities can be in an answer of text. */
const INCLUDABLE = [
  "message.output_text.logprobs",
  "reasoning.encrypted_content",
  "file_search_call.results",
  "web_search_call.results",
  "web_search_call.action.sources",
  "message.input_image.image_url",
  "computer_call_output.output.image_url",
  "code_interpreter_call.outputs",
] as const;

const METADATA = { maxPairs: 16, maxKeyLength: 64, maxValueLength: 512 };

const {
  n: _n,
  best_of: _bestOf,
  max_tokens: _maxTokens,
  prompt_logprobs: _promptLogprobs,
  ...ownSamplingShape
} = samplingShape;

const schema = z.strictObject({
  ...toleratedShape(unsupported),
  model: z.string().nullish(),
  input: z.unknown().optional(),
  instructions: z.string().nullish(),
  previous_response_id: z.string().min(1).nullish(),
  ...ownSamplingShape,
  max_output_tokens: z.int().nullish(),
  top_logprobs: z.int().nullish(),
  include: z.array(z.enum(INCLUDABLE)).nullish(),
  metadata: z.record(z.string(), z.string()).nullish(),
  truncation: z.enum(["auto", "disabled"]).nullish(),
  background: z.boolean().nullish(),
  store: z.boolean().nullish(),
  stream: z.boolean().nullish(),
  stream_options: z
    .strictObject({ resumable: z.boolean().nullish(), include_obfuscation: z.boolean().nullish() })
    .nullish(),
  generate: z.boolean().nullish(),
  text: z.looseObject({ format: z.looseObject({ type: z.string() }).nullish() }).nullish(),
  tools: z.array(z.looseObject({})).nullish(),
  ...toolShape,
  max_tool_calls: z.int().nullish(),
  reasoning: z.looseObject({ effort: z.string().nullish(), summary: z.string().nullish() }).nullish(),
  prompt_cache_options: z.unknown().optional(),
  user: z.unknown().optional(),
  safety_identifier: z.unknown().optional(),
  prompt_cache_key: z.unknown().optional(),
});

type Wire = z.infer<typeof schema>;

/** A parsed request. */
export interface ResponseRequest {
  /** Null takes the server's only model. */
  readonly model: string | null;
  readonly items: readonly ItemContent[];
  readonly instructions: string | null;
  readonly previousResponseId: string | null;
  readonly fields: SamplingFields;
  /** The form of the answer; null for any. */
  readonly format: GrammarSpec | null;
  readonly tools: ResponseTools;
  readonly metadata: Readonly<Record<string, string>>;
  /** Leave out the oldest messages when the conversation is too long. */
  readonly isTruncated: boolean;
  readonly isBackground: boolean;
  readonly isStored: boolean;
  readonly isStreamed: boolean;
  /** The stream may be taken up again after a lost connection. */
  readonly isResumable: boolean;
  /** False only takes the conversation in, for a later response to go on from. */
  readonly isGenerated: boolean;
  /** Values that are given back as they came. */
  readonly echo: {
    readonly text?: { readonly format: Readonly<Record<string, unknown>> };
    readonly user?: string;
    readonly safety_identifier?: string;
    readonly prompt_cache_key?: string;
  };
}

/**
 * @param body the decoded JSON.
 * @throws TroupeError `invalid_request` or `unsupported`, naming the field.
 */
export function readResponseRequest(body: unknown): ResponseRequest {
  const wire = parse(schema, body, { code: "invalid_request", what: "request body" });
  refuseUnsupported(wire, unsupported);
  refuseOtherOutputs(wire);
  checkMetadata(wire.metadata ?? {});
  const logprobs = readTopLogprobs(wire);
  const isBackground = wire.background ?? false;
  const isStored = wire.store ?? true;
  if (isBackground && !isStored)
    throw refuse("store", '"background": true needs "store": true: its result has to be fetched.');
  if (wire.stream_options?.resumable === true && wire.stream !== true)
    throw refuse(
      "stream_options",
      '"stream_options.resumable" is only allowed together with "stream": true.',
    );
  return {
    model: wire.model ?? null,
    items: readItems(wire.input),
    instructions: wire.instructions ?? null,
    previousResponseId: wire.previous_response_id ?? null,
    fields: {
      ...readSamplingFields(wire),
      maxTokens: wire.max_output_tokens ?? null,
      ...(logprobs === null ? {} : { logprobs }),
    },
    format: readTextFormat(wire.text?.format),
    tools: readResponseTools(wire),
    metadata: wire.metadata ?? {},
    isTruncated: wire.truncation === "auto",
    isBackground,
    isStored,
    isStreamed: wire.stream ?? false,
    isResumable: wire.stream_options?.resumable ?? false,
    isGenerated: wire.generate ?? true,
    echo: readEcho(wire),
  };
}

/** How a request for a response spells a field of SamplingParams. */
export function nameResponseField(field: string): string {
  if (field === "logprobs") return "top_logprobs";
  return field === "maxTokens" ? "max_output_tokens" : wireName(field);
}

function readTopLogprobs(wire: Wire): number | null {
  const isIncluded = wire.include?.includes("message.output_text.logprobs") ?? false;
  const numTop = wire.top_logprobs ?? 0;
  return isIncluded || numTop !== 0 ? numTop : null;
}

function readEcho(wire: Wire): ResponseRequest["echo"] {
  const names = ["user", "safety_identifier", "prompt_cache_key"] as const;
  return {
    ...Object.fromEntries(
      names.flatMap((name) => (typeof wire[name] === "string" ? [[name, wire[name]]] : [])),
    ),
    ...(wire.text?.format != null && { text: { format: wire.text.format } }),
  };
}

function checkMetadata(metadata: Readonly<Record<string, string>>): void {
  const { maxPairs, maxKeyLength, maxValueLength } = METADATA;
  const pairs = Object.entries(metadata);
  if (pairs.length > maxPairs)
    throw refuse("metadata", `"metadata" holds at most ${maxPairs} pairs (got ${pairs.length}).`);
  const wrong = pairs.find(([key, value]) => key.length > maxKeyLength || value.length > maxValueLength);
  if (wrong !== undefined) {
    const name = wrong[0].slice(0, maxKeyLength);
    const limits = `keys have at most ${maxKeyLength} characters and values at most ${maxValueLength}`;
    throw refuse("metadata", `"metadata": ${limits} (see ${JSON.stringify(name)}).`);
  }
}

function refuseOtherOutputs(wire: Wire): void {
  if (wire.reasoning?.effort != null && wire.reasoning.effort !== "none")
    throw refuse(
      "reasoning.effort",
      '"reasoning.effort" is not supported by this server. Leave it out, or send null.',
      "unsupported",
    );
}

function refuse(
  param: string,
  message: string,
  code: "invalid_request" | "unsupported" = "invalid_request",
): TroupeError {
  return new TroupeError(code, message, { details: { param } });
}
