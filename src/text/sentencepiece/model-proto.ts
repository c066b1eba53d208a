/**
 * A SentencePiece model file (`tokenizer.model`) as data: the fields of sentencepiece_model.proto that decide on encoding
 * and decoding, checked as ModelInterface::InitializePieces checks them.
 */
import { TroupeError } from "../../errors/troupe-error.ts";
import { type ProtobufField, protobufFields } from "./protobuf-reader.ts";

/** How a piece takes part; the numbers of ModelProto.SentencePiece.Type. */
export type PieceKind = "normal" | "unknown" | "control" | "user-defined" | "unused" | "byte";

/** One entry of the vocabulary; its id is its place. */
export interface Piece {
  readonly text: string;
  /** A float32: logarithm of the probability (unigram), or minus the merge's rank (BPE). */
  readonly score: number;
  readonly kind: PieceKind;
}

/** How a text is prepared. */
export interface NormalizerSpec {
  /** Empty when characters stay as they are. */
  readonly charsMap: Buffer;
  readonly addDummyPrefix: boolean;
  readonly removeExtraWhitespaces: boolean;
  readonly escapeWhitespaces: boolean;
}

/** See the module header. */
export interface SentencePieceModel {
  readonly file: string;
  readonly pieces: readonly Piece[];
  readonly modelType: "unigram" | "bpe";
  readonly byteFallback: boolean;
  /** The dummy prefix goes to the end of a text instead. */
  readonly whitespaceAsSuffix: boolean;
  readonly unkId: number;
  /** Ids of the begin and end tokens; null when the model has none. */
  readonly bosId: number | null;
  readonly eosId: number | null;
  /** What an unknown token decodes to. */
  readonly unkSurface: string;
  readonly normalizer: NormalizerSpec;
}

interface TrainerSpec {
  readonly modelType: number;
  readonly byteFallback: boolean;
  readonly whitespaceAsSuffix: boolean;
  readonly bosPiece: string;
  readonly eosPiece: string;
  readonly unkSurface: string;
}

const KINDS = new Map<number, PieceKind>([
  [1, "normal"],
  [2, "unknown"],
  [3, "control"],
  [4, "user-defined"],
  [5, "unused"],
  [6, "byte"],
]);

/**
 * @param file named in errors.
 * @throws TroupeError `invalid_model` when it is no such file; `unsupported_model` for word and character models
 */
export function parseSentencePieceModel(bytes: Buffer, file: string): SentencePieceModel {
  const fields = [...protobufFields(bytes, file)];
  const pieces = fields.filter(({ number }) => number === 1).map((field) => readPiece(field, file));
  const trainer = readTrainer(lastMessage(fields, 2), file);
  const normalizer = readNormalizer(lastMessage(fields, 3), file);
  const denormalizer = readNormalizer(lastMessage(fields, 5), file);
  if (trainer.modelType !== 1 && trainer.modelType !== 2)
    throw unsupported(file, `model type ${trainer.modelType} (only unigram and BPE are supported)`);
  if (denormalizer.charsMap.length > 0) throw unsupported(file, "a denormalizer, which cannot be streamed");
  checkPieces(pieces, trainer.byteFallback, file);
  const controlId = (text: string): number | null => {
    const id = pieces.findIndex((piece) => piece.kind === "control" && piece.text === text);
    return id === -1 ? null : id;
  };
  const { byteFallback, whitespaceAsSuffix, unkSurface } = trainer;
  return {
    file,
    pieces,
    modelType: trainer.modelType === 1 ? "unigram" : "bpe",
    byteFallback,
    whitespaceAsSuffix,
    unkId: pieces.findIndex(({ kind }) => kind === "unknown"),
    bosId: controlId(trainer.bosPiece),
    eosId: controlId(trainer.eosPiece),
    unkSurface,
    normalizer,
  };
}

/** Spells a byte as byte pieces do. */
export function bytePiece(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
}

/** Protobuf lets a later field replace an earlier one. */
function lastMessage(fields: readonly ProtobufField[], number: number): Buffer {
  return fields.findLast((field) => field.number === number)?.bytes ?? Buffer.alloc(0);
}

function readPiece({ bytes }: ProtobufField, file: string): Piece {
  let text = "";
  let score = 0;
  let kind: PieceKind | undefined = "normal";
  for (const field of protobufFields(bytes ?? Buffer.alloc(0), file)) {
    if (field.number === 1) text = utf8(field.bytes, file);
    else if (field.number === 2 && field.bytes?.length === 4) score = field.bytes.readFloatLE(0);
    else if (field.number === 3) kind = KINDS.get(field.varint ?? 0);
  }
  if (kind === undefined) throw invalid(file, `piece ${JSON.stringify(text)} is of an unknown type`);
  if (Number.isNaN(score)) throw invalid(file, `piece ${JSON.stringify(text)} has no number as its score`);
  return { text, score, kind };
}

function readTrainer(message: Buffer, file: string): TrainerSpec {
  const spec = { modelType: 1, byteFallback: false, whitespaceAsSuffix: false, unkSurface: " \u2047 " };
  const names = { bosPiece: "<s>", eosPiece: "</s>" };
  for (const { number, varint, bytes } of protobufFields(message, file)) {
    if (number === 3) spec.modelType = varint ?? 0;
    else if (number === 24) spec.whitespaceAsSuffix = varint !== 0;
    else if (number === 35) spec.byteFallback = varint !== 0;
    else if (number === 44) spec.unkSurface = utf8(bytes, file);
    else if (number === 46) names.bosPiece = utf8(bytes, file) || names.bosPiece;
    else if (number === 47) names.eosPiece = utf8(bytes, file) || names.eosPiece;
  }
  return { ...spec, ...names };
}

function readNormalizer(message: Buffer, file: string): NormalizerSpec {
  let charsMap = Buffer.alloc(0);
  const flags = { addDummyPrefix: true, removeExtraWhitespaces: true, escapeWhitespaces: true };
  for (const { number, varint, bytes } of protobufFields(message, file)) {
    if (number === 2) charsMap = Buffer.from(bytes ?? []);
    else if (number === 3) flags.addDummyPrefix = varint !== 0;
    else if (number === 4) flags.removeExtraWhitespaces = varint !== 0;
    else if (number === 5) flags.escapeWhitespaces = varint !== 0;
  }
  return { charsMap, ...flags };
}

function checkPieces(pieces: readonly Piece[], byteFallback: boolean, file: string): void {
  if (pieces.length === 0) throw invalid(file, "it has no pieces");
  const used = { text: new Set<string>(), reserved: new Set<string>() };
  let numUnknown = 0;
  const bytes = new Set<string>();
  for (const { text, kind } of pieces) {
    if (text === "") throw invalid(file, "a piece is empty");
    const isReserved = kind === "unknown" || kind === "control" || kind === "byte";
    const names = isReserved ? used.reserved : used.text;
    if (names.has(text)) throw invalid(file, `piece ${JSON.stringify(text)} is there twice`);
    names.add(text);
    if (kind === "unknown") numUnknown++;
    if (kind !== "byte") continue;
    if (!byteFallback || !/^<0x[0-9A-F]{2}>$/.test(text))
      throw invalid(file, `byte piece ${JSON.stringify(text)} does not belong there`);
    bytes.add(text);
  }
  if (numUnknown !== 1) throw invalid(file, `it has ${numUnknown} pieces for the unknown; one is needed`);
  if (byteFallback && bytes.size !== 256) throw invalid(file, `it has ${bytes.size} of 256 byte pieces`);
}

function utf8(bytes: Buffer | null, file: string): string {
  const text = bytes?.toString("utf8") ?? "";
  if (bytes === null || !Buffer.from(text, "utf8").equals(bytes)) throw invalid(file, "a text is not UTF-8");
  return text;
}

function invalid(file: string, problem: string): TroupeError {
  const message = `${file} is no usable SentencePiece model: ${problem}. Download it again.`;
  return new TroupeError("invalid_model", message, { details: { file } });
}

function unsupported(file: string, what: string): TroupeError {
  const message = `${file} has ${what}. Convert it to tokenizer.json, or serve token ids alone with --skip-tokenizer-init.`;
  return new TroupeError("unsupported_model", message, { details: { file } });
}
