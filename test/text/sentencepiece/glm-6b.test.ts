import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import fc from "fast-check";
import type { ChatMessage } from "../../../src/protocol/engine.ts";
import { hasTokenizerFiles, loadTokenizer } from "../../../src/text/load-tokenizer.ts";
import { TextModel } from "../../../src/text/text-model.ts";
import type { Tokenizer } from "../../../src/text/tokenizer.ts";
import { BASICS, BYTES, KIND, modelFile, type PieceSpec } from "./sample-models.ts";

// The first pieces are those of the published file: ▁ is 5, <n> is 4.
const TEXT: readonly PieceSpec[] = [
  ...BASICS,
  ["<pad>", 0, KIND.control],
  ["<n>", 0, KIND.userDefined],
  ["▁", -2, KIND.normal],
  ["你好", -3, KIND.normal],
  ["问", -4, KIND.normal],
  ["：", -4, KIND.normal],
  ["答", -4, KIND.normal],
  ["▁hello", -5, KIND.normal],
  ["hello", -6, KIND.normal],
  ["a", -7, KIND.normal],
  ["<", -8, KIND.normal],
  ["n", -8, KIND.normal],
  [">", -8, KIND.normal],
];
const control = (text: string): PieceSpec => [text, 0, KIND.control];
const SPECIAL = "[MASK] [gMASK] [sMASK] <unused_0> <sop> <eop> <ENC> <dBLOCK>".split(" ");
const BLANKS = Array.from({ length: 79 }, (_, index) => `<|blank_${index + 2}|>`);
/** What the first release appended in Python, and later files hold. */
const APPENDED: readonly PieceSpec[] = [
  ...SPECIAL.map(control),
  ...["<|tab|>", ...BLANKS].map((text): PieceSpec => [text, 0, KIND.userDefined]),
  ...BYTES,
];
const SIZE = TEXT.length;
const KEEPS_SPACES = [[4, 0]] as const;
const FIRST = modelFile(TEXT, [[3, 1]], KEEPS_SPACES);
const LATER = modelFile(
  [...TEXT, ...APPENDED],
  [
    [3, 1],
    [35, 1],
  ],
  KEEPS_SPACES,
);
const NAMES = { bos_token: "<sop>", eos_token: "<eop>", mask_token: "[MASK]", pad_token: "<pad>" };

describe("GLM-6B's tokenizer", () => {
  let dir = "";
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "troupe-glm-"));
    await writeFile(
      join(dir, "config.json"),
      JSON.stringify({ model_type: "chatglm", position_encoding_2d: true }),
    );
  });
  after(() => rm(dir, { recursive: true }));

  async function folder(model: Buffer, settings: object): Promise<string> {
    await writeFile(join(dir, "ice_text.model"), model);
    const json = { tokenizer_class: "ChatGLMTokenizer", ...NAMES, ...settings };
    await writeFile(join(dir, "tokenizer_config.json"), JSON.stringify(json));
    return dir;
  }
  const later = async (settings: object = {}): Promise<Tokenizer> =>
    loadTokenizer(await folder(LATER, { num_image_tokens: 0, ...settings }));
  const first = async (): Promise<Tokenizer> => loadTokenizer(await folder(FIRST, {}));
  const plain = async (tokenizer: Tokenizer, text: string): Promise<number[]> => [
    ...(await tokenizer.encode(text, { addSpecialTokens: false })),
  ];
  const spell = async (tokenizer: Tokenizer, text: string): Promise<string[]> =>
    (await plain(tokenizer, text)).map((id) => tokenizer.tokenText(id)!);
  const show = (tokenizer: Tokenizer, ids: Iterable<number>, skipSpecialTokens = true): string =>
    tokenizer.decoder.decode(tokenizer.tokensOf(ids, { skipSpecialTokens }));

  it("ends every text with [gMASK] <sop>", async () => {
    const tokenizer = await later();
    const [gmask, sop] = [SIZE + 1, SIZE + 4];
    assert.deepEqual([...(await tokenizer.encode("你好", { addSpecialTokens: true }))], [5, 6, gmask, sop]);
    assert.deepEqual([...(await tokenizer.encode("", { addSpecialTokens: true }))], [gmask, sop]);
    assert.equal(tokenizer.tokenId("<eop>"), SIZE + 5);
    assert.equal(tokenizer.vocabSize, SIZE + 344);
    assert.equal(await hasTokenizerFiles(dir), true);
  });

  it("has 20000 image tokens before a file of the first release, whose other tokens it appends", async () => {
    const tokenizer = await first();
    assert.deepEqual(
      [...(await tokenizer.encode("你好", { addSpecialTokens: true }))],
      [20_005, 20_006, 20_000 + SIZE + 1, 20_000 + SIZE + 4],
    );
    assert.equal(tokenizer.vocabSize, 20_000 + SIZE + 344);
    assert.deepEqual([tokenizer.tokenText(7), tokenizer.tokenId("<image_7>")], ["<image_7>", 7]);
    assert.equal(show(tokenizer, [7, 20_005, 20_006]), "你好");
    const text = "hello\n\n\t  你好 é";
    const other = await plain(await later(), text);
    assert.deepEqual(
      await plain(await first(), text),
      other.map((id) => id + 20_000),
    );
  });

  it("spells line breaks, tabs and runs of spaces, the longest first", async () => {
    const tokenizer = await later();
    assert.deepEqual(await spell(tokenizer, "\n"), ["▁", "<n>"]);
    assert.deepEqual(await spell(tokenizer, "a\t a"), ["▁", "a", "<|tab|>", "▁", "a"]);
    assert.deepEqual(await spell(tokenizer, `a${" ".repeat(83)}a`), [
      "▁",
      "a",
      "<|blank_80|>",
      "<|blank_3|>",
      "a",
    ]);
    assert.deepEqual(await spell(tokenizer, `a${" ".repeat(81)}a`), ["▁", "a", "<|blank_80|>", "▁", "a"]);
    assert.deepEqual(await spell(tokenizer, "é"), ["▁", "<0xC3>", "<0xA9>"]);
  });

  it("writes them back, whole and streamed, wherever tokens cut them", async () => {
    const tokenizer = await later();
    const ids = [5, 13, 14, 15, 13, 14, 12, 13];
    assert.equal(show(tokenizer, ids), "\n<na<");
    const tokens = tokenizer.tokensOf(ids, { skipSpecialTokens: true });
    let state = tokenizer.decoder.after([]);
    const texts = tokens.map((token, index) => {
      const step = tokenizer.decoder.push(state, [token], index === tokens.length - 1);
      state = step.state;
      return step.text;
    });
    assert.deepEqual(texts, ["", "", "", "\n", "", "", "<na", "<"]);
  });

  it("gives back every text that does not spell its tokens", async () => {
    const tokenizer = await later();
    const parts = fc.constantFrom(
      "你好",
      "hello",
      "a",
      " ",
      "  ",
      "\n",
      "\t",
      "é",
      "🎭",
      " ".repeat(90),
      "<n",
      ">>",
    );
    await fc.assert(
      fc.asyncProperty(fc.array(parts, { maxLength: 12 }), async (list) => {
        const text = list.join("");
        fc.pre(!text.includes("<n>"));
        assert.equal(show(tokenizer, await plain(tokenizer, text)), text);
      }),
      { numRuns: 100 },
    );
  });

  it("finds named tokens in a text and takes the white space beside them", async () => {
    const tokenizer = await later();
    assert.deepEqual(await spell(tokenizer, "a  [MASK] \na"), ["▁", "a", "[MASK]", "▁", "a"]);
    assert.deepEqual((await spell(tokenizer, "[gMASK]")).includes("[gMASK]"), false);
  });

  it("lowers case and removes space where the folder says so", async () => {
    const tokenizer = await later({ do_lower_case: true, remove_space: true });
    assert.deepEqual(await spell(tokenizer, "  HELLO \n A "), ["▁hello", "▁", "a"]);
  });

  it("refuses a file without the tokens that end a text, and settings out of range", async () => {
    const broken = modelFile([...BASICS, control("[gMASK]")], [[3, 1]]);
    const load = async (model: Buffer, settings: object) => loadTokenizer(await folder(model, settings));
    await assert.rejects(load(broken, {}), {
      code: "invalid_model",
      message: /ice_text\.model has no piece <sop>/,
    });
    await assert.rejects(load(LATER, { num_image_tokens: -1 }), {
      code: "invalid_model",
      message: /num_image_tokens/,
    });
  });

  it("writes a conversation in rounds from 0, a first question as it is", async () => {
    const model = await TextModel.load(await folder(LATER, { num_image_tokens: 0 }));
    const turn = (role: string, content: string): ChatMessage => ({ role, content });
    const params = { stop: [], includeStopStrInOutput: false, minTokens: 0, skipSpecialTokens: true };
    const prompt = (...messages: ChatMessage[]) => model.prepare({ kind: "chat", messages }, params);
    const one = await prompt(turn("user", "你好"));
    assert.deepEqual([...one.promptIds], [5, 6, SIZE + 1, SIZE + 4]);
    assert.deepEqual([one.promptText, one.endTokenIds], ["你好", [SIZE + 5]]);
    const two = await prompt(turn("user", "a"), turn("assistant", "hello"), turn("user", "[MASK]"));
    assert.equal(two.promptText, "[Round 0]\n问：a\n答：hello\n[Round 1]\n问：[MASK]\n答：");
    assert.deepEqual([...two.promptIds].slice(-2), [SIZE + 1, SIZE + 4]);
    assert.equal([...two.promptIds].includes(SIZE), false);
    await assert.rejects(prompt(turn("tool", "x")), { code: "invalid_request", message: /ChatGLM/ });
  });
});
