/**
 * Builds a token decoder from the `decoder` entry of a tokenizer.json. What cannot be streamed exactly is refused here,
 * when the model is loaded, and never decoded differently from the original.
 */
import { parse, z } from "../../core/schema.ts";
import { TroupeError } from "../../errors/troupe-error.ts";
import { byteFallbackStage } from "./byte-fallback.ts";
import { byteLevelStage } from "./byte-level.ts";
import type { DecoderStage } from "./decoder-stage.ts";
import { TokenDecoder } from "./token-decoder.ts";
import {
  bpeSuffixStage,
  metaspaceStage,
  replaceStage,
  spaceJoinStage,
  stripTextStage,
  stripTokenStage,
  wordPieceStage,
} from "./token-stages.ts";

const character = z.string().refine((text) => [...text].length === 1, "must be one character");
const DECODER = z.discriminatedUnion("type", [
  z.object({ type: z.literal("ByteLevel") }),
  z.object({ type: z.literal("ByteFallback") }),
  z.object({ type: z.literal("Fuse") }),
  z.object({
    type: z.literal("Metaspace"),
    replacement: character,
    prepend_scheme: z.enum(["always", "first", "never"]).default("always"),
    add_prefix_space: z.boolean().nullish(),
  }),
  z.object({
    type: z.literal("Replace"),
    pattern: z.object({ String: z.string().min(1) }, "only a fixed string can be replaced"),
    content: z.string(),
  }),
  z.object({
    type: z.literal("Strip"),
    content: character,
    start: z.int().min(0),
    stop: z.int().min(0),
  }),
  z.object({ type: z.literal("WordPiece"), prefix: z.string(), cleanup: z.boolean() }),
  z.object({ type: z.literal("BPEDecoder"), suffix: z.string().min(1) }),
]);
type DecoderSpec = z.infer<typeof DECODER>;

/**
 * @param json the `decoder` entry as parsed; null or undefined joins tokens by spaces.
 * @param file named in errors.
 * @throws TroupeError `unsupported_model` for a decoder that cannot be streamed
 * @example
 * ```ts
 * decoderFromJson({ type: "ByteLevel" }, "tokenizer.json").decode(["Hi", "Ġthere"]); // "Hi there"
 * ```
 */
export function decoderFromJson(json: unknown, file: string): TokenDecoder {
  if (json === null || json === undefined) return new TokenDecoder([spaceJoinStage()]);
  const stages: DecoderStage[] = [];
  let isFused = false;
  for (const spec of flatten(json, file)) {
    const stage = stageOf(spec, isFused, file);
    if (stage !== null) stages.push(stage);
    isFused ||= spec.type === "Fuse" || spec.type === "ByteLevel";
  }
  return new TokenDecoder(stages);
}

function flatten(json: unknown, file: string): readonly DecoderSpec[] {
  const sequence = z.object({ type: z.literal("Sequence"), decoders: z.array(z.unknown()) }).safeParse(json);
  if (sequence.success) return sequence.data.decoders.flatMap((decoder) => flatten(decoder, file));
  return [parse(DECODER, json, { code: "unsupported_model", what: `${file}: decoder` })];
}

/** Null for a stage that changes nothing but where later stages see token borders. */
function stageOf(spec: DecoderSpec, isFused: boolean, file: string): DecoderStage | null {
  if (spec.type === "Fuse") return null;
  if (spec.type === "Strip") {
    const strip = isFused ? stripTextStage : stripTokenStage;
    return strip(spec.content, spec.start, spec.stop);
  }
  if (spec.type === "Replace" && (!isFused || [...spec.pattern.String].length === 1))
    return replaceStage(spec.pattern.String, spec.content);
  if (isFused) throw afterFuse(spec, file);
  if (spec.type === "ByteLevel") return byteLevelStage();
  if (spec.type === "ByteFallback") return byteFallbackStage();
  if (spec.type === "WordPiece") return wordPieceStage(spec.prefix, spec.cleanup);
  if (spec.type === "BPEDecoder") return bpeSuffixStage(spec.suffix);
  if (spec.type === "Metaspace") return metaspaceStage(spec.replacement, dropsFirstSpace(spec));
  throw afterFuse(spec, file);
}

function dropsFirstSpace(spec: Extract<DecoderSpec, { type: "Metaspace" }>): boolean {
  return spec.prepend_scheme !== "never" && spec.add_prefix_space !== false;
}

function afterFuse(spec: DecoderSpec, file: string): TroupeError {
  return new TroupeError(
    "unsupported_model",
    `${file}: decoder ${spec.type} stands after a decoder that joins all tokens; such a text cannot be streamed. ` +
      "Serve token ids alone with --skip-tokenizer-init.",
    { details: { file, decoder: spec.type } },
  );
}
