import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { runCli } from "../../src/cli/run-cli.ts";
import { fakeRun } from "./fake-context.ts";

test("an argument is continued and the text streams to standard output alone", async () => {
  const run = fakeRun({ args: ["generate", "one two"] });
  assert.equal(await runCli(run.context), 0);
  assert.equal(run.out(), "one two\n");
  assert.deepEqual(run.requests[0]?.prompt, { kind: "text", text: "one two" });
  assert.deepEqual(run.events, ["start", "stop 0"]);
});

test("without arguments standard input is one prompt, its last line end left out", async () => {
  const run = fakeRun({ args: ["generate"], input: "two\nlines\n" });
  assert.equal(await runCli(run.context), 0);
  assert.deepEqual(run.requests[0]?.prompt, { kind: "text", text: "two\nlines" });
});

test("--file gives a prompt for each line; answers come in order with their prompts", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "troupe-cli-"));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "prompts.txt"), "slow a b\n\nquick\r\nlast\n");
  const quick = Promise.withResolvers<void>();
  const run = fakeRun({
    args: ["generate", "--file", "prompts.txt"],
    cwd: folder,
    beforeWord: async (word) => {
      if (word === "last") quick.resolve();
      if (word === "b") await quick.promise;
    },
  });
  assert.equal(await runCli(run.context), 0);
  assert.equal(run.out(), "> slow a b\nslow a b\n> quick\nquick\n> last\nlast\n");
});

test("no more prompts run at once than the engine takes", async () => {
  let numRunning = 0;
  let mostRunning = 0;
  const run = fakeRun({
    args: ["generate", "a b", "c d", "e f", "g h", "i j", "--max-num-seqs", "2"],
    beforeWord: async (word) => {
      if ("acegi".includes(word)) mostRunning = Math.max(mostRunning, ++numRunning);
      else numRunning--;
    },
  });
  assert.equal(await runCli(run.context), 0);
  assert.equal(mostRunning, 2);
});

test("--chat and --system make a conversation", async () => {
  const run = fakeRun({ args: ["generate", "--chat", "hi", "--system", "be brief"] });
  assert.equal(await runCli(run.context), 0);
  assert.deepEqual(run.requests[0]?.prompt, {
    kind: "chat",
    messages: [
      { role: "system", content: "be brief" },
      { role: "user", content: "hi" },
    ],
  });
});

test("--json gives one object a line", async () => {
  const run = fakeRun({ args: ["generate", "--json", "one two", "three"] });
  assert.equal(await runCli(run.context), 0);
  const lines = run
    .out()
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.deepEqual(lines[0], {
    index: 0,
    prompt: "one two",
    text: "one two",
    token_ids: [10, 11],
    finish_reason: "stop",
    stop_reason: null,
    usage: { prompt_tokens: 1, completion_tokens: 2 },
  });
  assert.equal(lines[1].prompt, "three");
});

test("sampling flags win over the model's defaults, and those over the command's", async () => {
  const run = fakeRun({
    args: [
      "generate",
      "x",
      "--temperature",
      "0.5",
      "--stop",
      "a",
      "--stop",
      "b",
      "--seed",
      "-3",
      "--stop-token-id",
      "5",
      "--ignore-eos",
    ],
  });
  assert.equal(await runCli(run.context), 0);
  const params = run.requests[0]!.params;
  assert.deepEqual(
    [
      params.temperature,
      params.topK,
      params.maxTokens,
      params.stop,
      params.seed,
      params.stopTokenIds,
      params.ignoreEos,
    ],
    [0.5, 7, 256, ["a", "b"], -3, [5], true],
  );
});

test("with --skip-tokenizer-init prompts and answers are token ids", async () => {
  const run = fakeRun({
    args: ["generate", "--skip-tokenizer-init", "[1, 2 3]"],
    info: { hasTokenizer: false, hasChatTemplate: false },
  });
  assert.equal(await runCli(run.context), 0);
  assert.deepEqual(run.requests[0]?.prompt, { kind: "ids", ids: [1, 2, 3] });
  assert.equal(run.out(), "10 11 12 \n");
});

test("a stop signal cuts the answers, stops the engine and exits 130", async () => {
  const run = fakeRun({
    args: ["generate", "one two three", "four"],
    beforeWord: async (word) => {
      if (word === "two") run.signal("SIGINT");
    },
  });
  assert.equal(await runCli(run.context), 130);
  assert.match(run.out(), /^> one two three\none/);
  assert.doesNotMatch(run.out(), /three\n.*three/);
  assert.equal(run.events.at(-1), "stop 0");
  assert.equal(run.err().replace(/^Compiling.*\n/, ""), "");
});

for (const [title, args, input, code, message] of [
  ["nothing to continue", ["generate"], undefined, 2, /No prompt\. Try: troupe generate/],
  ["empty standard input", ["generate"], "", 2, /Standard input is empty/],
  ["a prompt file that is missing", ["generate", "-f", "none.txt"], undefined, 1, /none\.txt does not exist/],
  ["arguments beside --file", ["generate", "-f", "x", "y"], undefined, 2, /not both/],
  [
    "a text where ids belong",
    ["generate", "--skip-tokenizer-init", "hello"],
    undefined,
    2,
    /list of token ids such as "1 15 27", not "hello"/,
  ],
  [
    "--chat on token ids",
    ["generate", "--skip-tokenizer-init", "--chat", "1"],
    undefined,
    2,
    /--chat needs a tokenizer/,
  ],
  [
    "a sampling flag out of range",
    ["generate", "x", "--top-p", "2"],
    undefined,
    2,
    /--top-p" is 2; it must be/,
  ],
  [
    "a stop token that is no number",
    ["generate", "x", "--stop-token-id", "x"],
    undefined,
    2,
    /--stop-token-id/,
  ],
  ["a refused prompt", ["generate", "fail"], undefined, 1, /The prompt is too long/],
] as const) {
  test(`${title} is one line on stderr`, async () => {
    const run = fakeRun({ args, ...(input === undefined ? {} : { input }) });
    assert.equal(await runCli(run.context), code);
    const lines = run.err().replace(/^Compiling.*\n/, "");
    assert.match(lines, /^troupe: [^\n]+\n$/);
    assert.match(lines, message);
  });
}
