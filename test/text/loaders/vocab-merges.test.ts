import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { TroupeError } from "../../../src/errors/troupe-error.ts";
import { loadTokenizer } from "../../../src/text/load-tokenizer.ts";

const golden = fileURLToPath(new URL("../../golden/tokenizers/byte-level-bpe-vocab-merges", import.meta.url));

describe("vocab.json with merges.txt", () => {
  let dir = "";
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "troupe-vocab-"));
    await cp(golden, dir, { recursive: true });
  });
  afterEach(() => rm(dir, { recursive: true }));
  const write = (name: string, content: unknown) =>
    writeFile(join(dir, name), typeof content === "string" ? content : JSON.stringify(content));
  const encode = async (text: string, addSpecialTokens = false) =>
    Array.from(await (await loadTokenizer(dir)).encode(text, { addSpecialTokens }));
  const pieces = async (text: string) => {
    const tokenizer = await loadTokenizer(dir);
    const ids = await tokenizer.encode(text, { addSpecialTokens: false });
    return Array.from(ids, (id) => tokenizer.tokenText(id));
  };
  const sizeOf = async () => Object.keys(JSON.parse(await readFile(join(dir, "vocab.json"), "utf8"))).length;

  it("takes added tokens of either file, gaps between ids and all", async () => {
    const size = await sizeOf();
    await write("added_tokens.json", { "<|a|>": size + 5, "[PAD]": size });
    await write("special_tokens_map.json", { pad_token: "[PAD]" });
    await write("tokenizer_config.json", {
      added_tokens_decoder: { [size + 9]: { content: "<|b|>", special: true } },
    });
    assert.deepEqual(await encode("<|a|><|b|>[PAD]"), [size + 5, size + 9, size]);
    const tokenizer = await loadTokenizer(dir);
    const shown = tokenizer.tokensOf([size, size + 5, size + 9], { skipSpecialTokens: true });
    assert.deepEqual(shown, ["<|a|>"]);
  });

  it("adds begin and end tokens only where the folder says so", async () => {
    const size = await sizeOf();
    const added = { added_tokens_decoder: { [size]: { content: "<|end|>", special: true } } };
    await write("tokenizer_config.json", { ...added, bos_token: "<|end|>", eos_token: "<|end|>" });
    assert.deepEqual(await encode("", true), []);
    const both = { bos_token: "<|end|>", eos_token: "<|end|>", add_bos_token: true, add_eos_token: true };
    await write("tokenizer_config.json", { ...added, ...both });
    assert.deepEqual(await encode("", true), [size, size]);
  });

  it("cuts a text as the tokenizer's class does", async () => {
    const digits = (await pieces("123")).length;
    await write("config.json", { model_type: "qwen2" });
    assert.equal((await pieces("123")).length, 3);
    assert.ok(digits <= 3);
    assert.deepEqual(await pieces("e\u0301"), await pieces("\u00e9"));
    await write("tokenizer_config.json", { tokenizer_class: "GPT2TokenizerFast", add_prefix_space: true });
    assert.equal((await pieces("a"))[0]?.startsWith("Ġ"), true);
    await write("tokenizer_config.json", { tokenizer_class: "CLIPTokenizer" });
    await assert.rejects(loadTokenizer(dir), { code: "unsupported_model", message: /CLIPTokenizer.*Qwen2/ });
  });

  it("has tokens that are names of JavaScript's own", async () => {
    const vocab = JSON.parse(await readFile(join(dir, "vocab.json"), "utf8"));
    const size = await sizeOf();
    const text = JSON.stringify(vocab).replace(/}$/, `,"__proto__":${size},"constructor":${size + 1}}`);
    await write("vocab.json", text);
    const tokenizer = await loadTokenizer(dir);
    assert.equal(tokenizer.tokenId("__proto__"), size);
    assert.equal(tokenizer.tokenId("constructor"), size + 1);
  });

  it("is refused with file and cause where it is wrong", async () => {
    const cases: [string, unknown, RegExp][] = [
      ["vocab.json", "{", /vocab\.json is not JSON/],
      ["vocab.json", [], /vocab\.json is not an object/],
      ["vocab.json", { a: -1 }, /"a" has no token id but -1/],
      ["merges.txt", "#version: 0.2\na\n", /merges\.txt: line 2 is no pair/],
      ["merges.txt", "a b c\n", /line 1 is no pair/],
      ["merges.txt", "a qqqq\n", /line 1 uses "qqqq"/],
      ["added_tokens.json", { a: 0 }, /"a"/],
      ["added_tokens.json", { "<x>": 10_000_000_000 }, /added_tokens\.json.*<x>/],
      ["added_tokens.json", { "<x>": 5000, "<y>": 5000 }, /both have the id 5000/],
      ["tokenizer_config.json", { added_tokens_decoder: { x: { content: "a" } } }, /added_tokens_decoder/],
    ];
    for (const [name, content, cause] of cases) {
      await cp(golden, dir, { recursive: true });
      await write(name, content);
      const wrong = await loadTokenizer(dir).catch((error: unknown) => error);
      assert.ok(wrong instanceof TroupeError, name);
      assert.equal(wrong.code, "invalid_model");
      assert.match(wrong.message, cause);
      if (name !== "vocab.json" && name !== "merges.txt") await rm(join(dir, name));
    }
  });

  it("is refused when two tokens share an id", async () => {
    await write("vocab.json", { a: 1, b: 1 });
    await write("merges.txt", "#version: 0.2\n");
    await assert.rejects(loadTokenizer(dir), {
      code: "invalid_model",
      message: /"a" and "b" both have the id 1/,
    });
  });

  it("ends in a coded error or a usable tokenizer wherever a file is damaged", async () => {
    const files = await Promise.all(
      ["vocab.json", "merges.txt"].map(async (name) => ({ name, bytes: await readFile(join(golden, name)) })),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...files),
        fc.nat(),
        fc.uint8Array({ minLength: 1, maxLength: 4 }),
        fc.boolean(),
        async ({ name, bytes }, at, noise, isCut) => {
          await cp(golden, dir, { recursive: true });
          const place = at % bytes.length;
          const rest = isCut ? Buffer.alloc(0) : bytes.subarray(place + noise.length);
          await writeFile(join(dir, name), Buffer.concat([bytes.subarray(0, place), noise, rest]));
          await encode("Hello wörld").catch((error: unknown) => {
            assert.ok(error instanceof TroupeError && error.code === "invalid_model", String(error));
          });
        },
      ),
      { numRuns: 80 },
    );
  });
});
