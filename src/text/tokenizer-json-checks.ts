/**
 * Checks of a tokenizer.json that must come before the tokenizers library sees it: there these mistakes are Rust panics,
 * and a panic in the library's Node binding ends the whole process, from any thread. (Found by feeding the library
 * 12,000 damaged files; other mistakes it reports as errors.)
 */
import { z } from "../core/schema.ts";
import { TroupeError } from "../errors/troupe-error.ts";

const NODE = z.object({ type: z.string() }).loose();
type Node = z.infer<typeof NODE>;

/** @throws TroupeError `invalid_model` naming file, entry and mistake */
export function checkTokenizerJson(json: unknown, file: string): void {
  const root = z.record(z.string(), z.unknown()).safeParse(json);
  if (!root.success) throw invalid(file, "the file", "is not an object");
  for (const node of flatten(root.data.normalizer)) checkNormalizer(node, file);
  for (const node of flatten(root.data.post_processor)) checkTemplate(node, file);
  for (const node of flatten(root.data.model)) checkMergePrefix(node, file);
}

/** An entry, or the entries of a sequence of them. */
function flatten(entry: unknown): readonly Node[] {
  const node = NODE.safeParse(entry);
  if (!node.success) return [];
  const { normalizers, processors } = node.data;
  const children = Array.isArray(normalizers) ? normalizers : Array.isArray(processors) ? processors : null;
  return children === null ? [node.data] : children.flatMap(flatten);
}

function checkNormalizer(node: Node, file: string): void {
  if (node.type === "Replace") {
    const pattern = z.record(z.string(), z.unknown()).safeParse(node.pattern).data ?? {};
    if (pattern.String === "" || pattern.Regex === "")
      throw invalid(file, "normalizer Replace", "has an empty pattern");
  }
  if (node.type === "Precompiled" && !isCharsMap(node.precompiled_charsmap))
    throw invalid(file, "normalizer Precompiled", "has no valid precompiled_charsmap");
}

/** Base64 of: length of the trie in bytes (uint32, little-endian), the trie, and normalised text as UTF-8. */
function isCharsMap(value: unknown): boolean {
  if (typeof value !== "string" || !/^[A-Za-z0-9+/]*={0,2}$/.test(value) || value.length % 4 !== 0)
    return false;
  const bytes = Buffer.from(value, "base64");
  if (bytes.length < 4) return false;
  const textStart = 4 + bytes.readUInt32LE(0);
  if (textStart > bytes.length || textStart % 4 !== 0) return false;
  const text = bytes.subarray(textStart);
  return Buffer.from(text.toString("utf8"), "utf8").equals(text);
}

/** Every special token that a template puts in must be described beside it. */
function checkTemplate(node: Node, file: string): void {
  if (node.type !== "TemplateProcessing") return;
  const described = z.record(z.string(), z.unknown()).safeParse(node.special_tokens).data ?? {};
  const pieces = z.array(z.object({ SpecialToken: z.object({ id: z.string() }).optional() }));
  for (const template of [node.single, node.pair]) {
    for (const piece of pieces.safeParse(template).data ?? []) {
      const id = piece.SpecialToken?.id;
      if (id !== undefined && !Object.hasOwn(described, id))
        throw invalid(file, "post_processor TemplateProcessing", `uses the undescribed token "${id}"`);
    }
  }
}

/** With a prefix for word continuations, the second token of every merge must carry it. */
function checkMergePrefix(node: Node, file: string): void {
  const prefix = node.continuing_subword_prefix;
  if (typeof prefix !== "string" || prefix === "" || !Array.isArray(node.merges)) return;
  for (const merge of node.merges) {
    const second: unknown =
      typeof merge === "string" ? merge.split(" ")[1] : Array.isArray(merge) ? merge[1] : "";
    if (typeof second !== "string" || !second.startsWith(prefix))
      throw invalid(
        file,
        "model BPE",
        `has the merge ${JSON.stringify(merge)} without its prefix "${prefix}"`,
      );
  }
}

function invalid(file: string, entry: string, mistake: string): TroupeError {
  const message = `${file}: ${entry} ${mistake}. Download or convert the tokenizer again.`;
  return new TroupeError("invalid_model", message, { details: { file, entry } });
}
