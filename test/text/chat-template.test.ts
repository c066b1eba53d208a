import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { type ChatInput, ChatTemplates } from "../../src/text/chat-template.ts";
import { loadTokenizer } from "../../src/text/load-tokenizer.ts";
import { readTokenizerSettings, type SpecialTokens } from "../../src/text/tokenizer-settings.ts";

const understudyDir = fileURLToPath(new URL("../../models/understudy", import.meta.url));
const hello: ChatInput = { messages: [{ role: "user", content: "Hello" }] };

function templatesOf(text: string, specialTokens: SpecialTokens = {}): ChatTemplates {
  return new ChatTemplates([{ name: "default", text, file: "chat_template.jinja" }], specialTokens);
}

function render(text: string, input: Partial<ChatInput> = {}, specialTokens: SpecialTokens = {}): string {
  return templatesOf(text, specialTokens).render({ ...hello, ...input });
}

describe("chat template", () => {
  it("renders the embedded model's conversations exactly as transformers does", async () => {
    const { templates, specialTokens } = await readTokenizerSettings(understudyDir);
    const tokenizer = await loadTokenizer(understudyDir);
    const chat = new ChatTemplates(templates, specialTokens);
    const cases = JSON.parse(await readFile(`${understudyDir}/expected.json`, "utf8"));
    assert.ok(cases.length > 10);
    for (const { messages, prompt_text, prompt_ids } of cases) {
      const text = chat.render({ messages });
      assert.equal(text, prompt_text);
      assert.deepEqual([...(await tokenizer.encode(text, { addSpecialTokens: false }))], prompt_ids);
    }
  });

  it("opens the assistant's turn unless told not to", () => {
    const text = "{% if add_generation_prompt %}A:{% endif %}";
    assert.equal(render(text), "A:");
    assert.equal(render(text, { addGenerationPrompt: false }), "");
  });

  it("knows special tokens, and those that the model lacks are empty", () => {
    assert.equal(render("[{{ bos_token }}{{ eos_token }}]", {}, { bos_token: "<s>" }), "[<s>]");
  });

  it("removes the line break after a block and the blanks before it", () => {
    assert.equal(
      render("{% for m in messages %}\n   {% if true %}\n{{ m.content }}\n  {% endif %}\n{% endfor %}\n"),
      "Hello\n",
    );
  });

  it("writes JSON as Python does", () => {
    const tools = [{ type: "function", function: { name: "f", parameters: { ü: [1, 2.5, null, true] } } }];
    assert.equal(
      render("{{ tools | tojson }}", { tools }),
      '[{"type": "function", "function": {"name": "f", "parameters": {"ü": [1, 2.5, null, true]}}}]',
    );
  });

  it("has no tools rather than an empty list", () => {
    const text = "{% if tools is none %}none{% endif %}{% if tools %}some{% endif %}";
    assert.equal(render(text), "none");
    assert.equal(render(text, { tools: [] }), "none");
    assert.equal(render(text, { tools: [{}] }), "some");
  });

  it("takes the template for tools when there are tools and such a template", () => {
    const sources = [
      { name: "default", text: "plain", file: "f" },
      { name: "tool_use", text: "tools", file: "f" },
    ];
    const chat = new ChatTemplates(sources, {});
    assert.equal(chat.render(hello), "plain");
    assert.equal(chat.render({ ...hello, tools: [{}] }), "tools");
    assert.equal(new ChatTemplates(sources.slice(0, 1), {}).render({ ...hello, tools: [{}] }), "plain");
    assert.throws(() => new ChatTemplates(sources.slice(1), {}).render(hello), {
      code: "unsupported",
      message: /only.*tool_use/,
    });
  });

  it("takes the request's own template and variables", () => {
    assert.equal(
      render("model's", { template: "{{ x }}{{ messages | length }}", variables: { x: 7, messages: [] } }),
      "71",
    );
  });

  it("refuses with the template's own message", () => {
    assert.throws(() => render("{{ raise_exception('Roles must alternate') }}"), {
      code: "invalid_request",
      message: /Roles must alternate/,
    });
    assert.throws(() => render("{{ 'a' + messages[7] }}"), { code: "invalid_request", message: /undefined/ });
  });

  it("names the file of a template that is not valid, and blames the request for its own", () => {
    assert.throws(() => templatesOf("{% if"), {
      code: "invalid_model",
      message: /chat_template\.jinja.*"default"/,
    });
    assert.throws(() => render("", { template: "{% nonsense %}" }), {
      code: "invalid_request",
      message: /chat_template/,
    });
  });

  it("says what to do when the model has none", () => {
    assert.throws(() => new ChatTemplates([], {}).render(hello), {
      code: "unsupported",
      message: /completions/,
    });
  });
});

describe("chat messages", () => {
  const content = (value: unknown): string =>
    render("{{ messages[0].content }}", { messages: [{ role: "user", content: value as string }] });

  it("flatten text parts to text and no content to none", () => {
    assert.equal(
      content([
        { type: "text", text: "a" },
        { type: "text", text: "b" },
      ]),
      "a\nb",
    );
    assert.equal(content(null), "");
    assert.equal(content([]), "");
  });

  it("refuse parts that are not text", () => {
    assert.throws(() => content([{ type: "image_url", image_url: { url: "x" } }]), {
      code: "unsupported",
      message: /messages\.0\.content\.0.*image_url/,
    });
    for (const value of [7, [7], [{ type: "text" }], { text: "a" }])
      assert.throws(() => content(value), { code: "invalid_request" }, JSON.stringify(value));
  });

  it("give templates the arguments of tool calls as objects", () => {
    const call = (text: unknown) => ({ id: "1", type: "function", function: { name: "f", arguments: text } });
    const show = (text: unknown) =>
      render("{{ messages[0].tool_calls[0].function.arguments | tojson }}", {
        messages: [{ role: "assistant", content: null, tool_calls: [call(text)] }],
      });
    assert.equal(show('{"a":1}'), '{"a": 1}');
    assert.equal(show(""), "{}");
    assert.equal(show({ a: 1 }), '{"a": 1}');
    assert.throws(() => show("{a"), { code: "invalid_request", message: /messages\.0/ });
  });
});
