import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { readTokenizerSettings } from "../../src/text/tokenizer-settings.ts";

describe("tokenizer settings", () => {
  let dir = "";
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "troupe-settings-"));
  });
  afterEach(() => rm(dir, { recursive: true }));
  const write = (name: string, content: unknown) =>
    writeFile(join(dir, name), typeof content === "string" ? content : JSON.stringify(content));

  it("are empty in a folder without any of the files", async () => {
    assert.deepEqual(await readTokenizerSettings(dir), {
      specialTokens: {},
      templates: [],
      addedTokens: [],
      tokenizerClass: null,
      addBosToken: null,
      addEosToken: null,
      addPrefixSpace: null,
      isLegacy: true,
    });
  });

  it("take special tokens as text or as objects, from both files", async () => {
    await write("tokenizer_config.json", {
      bos_token: { content: "<s>", lstrip: false },
      eos_token: "</s>",
      pad_token: null,
      additional_special_tokens: ["<a>", { content: "<b>" }],
      model_max_length: 1e30,
    });
    await write("special_tokens_map.json", { eos_token: "other", unk_token: { content: "<unk>" } });
    const { specialTokens } = await readTokenizerSettings(dir);
    assert.deepEqual(specialTokens, {
      bos_token: "<s>",
      eos_token: "</s>",
      unk_token: "<unk>",
      additional_special_tokens: ["<a>", "<b>"],
    });
  });

  it("take named templates, and chat_template.jinja before them", async () => {
    await write("tokenizer_config.json", {
      chat_template: [
        { name: "default", template: "a" },
        { name: "tool_use", template: "b" },
      ],
    });
    const named = (await readTokenizerSettings(dir)).templates.map(({ name, text }) => [name, text]);
    assert.deepEqual(named, [
      ["default", "a"],
      ["tool_use", "b"],
    ]);
    await write("tokenizer_config.json", { chat_template: "one" });
    assert.deepEqual(
      (await readTokenizerSettings(dir)).templates.map(({ text }) => text),
      ["one"],
    );
    await write("chat_template.jinja", "file");
    assert.deepEqual(
      (await readTokenizerSettings(dir)).templates.map(({ text }) => text),
      ["file"],
    );
  });

  it("take templates from files of their own, named by the file", async () => {
    await write("tokenizer_config.json", { chat_template: "config" });
    await mkdir(join(dir, "additional_chat_templates"));
    await write("additional_chat_templates/tool_use.jinja", "tools");
    await write("additional_chat_templates/notes.txt", "no template");
    await write("chat_template.jinja", "file");
    const { templates } = await readTokenizerSettings(dir);
    assert.deepEqual(
      templates.map(({ name, text }) => [name, text]),
      [
        ["default", "file"],
        ["tool_use", "tools"],
      ],
    );
  });

  it("name file and key when they are wrong", async () => {
    await write("tokenizer_config.json", { eos_token: 7 });
    await assert.rejects(readTokenizerSettings(dir), {
      code: "invalid_model",
      message: /tokenizer_config\.json.*eos_token/,
    });
    await write("tokenizer_config.json", { chat_template: 7 });
    await assert.rejects(readTokenizerSettings(dir), { code: "invalid_model", message: /chat_template/ });
    await write("tokenizer_config.json", "[");
    await assert.rejects(readTokenizerSettings(dir), {
      code: "invalid_model",
      message: /tokenizer_config\.json is not JSON/,
    });
    await rm(join(dir, "tokenizer_config.json"));
    await mkdir(join(dir, "tokenizer_config.json"));
    await assert.rejects(readTokenizerSettings(dir), { code: "file_error", message: /EISDIR/ });
  });
});
