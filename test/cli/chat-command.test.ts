import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { runCli } from "../../src/cli/run-cli.ts";
import { fakeRun } from "./fake-context.ts";

const contents = (run: ReturnType<typeof fakeRun>): (string | null)[][] =>
  run.requests.map(({ prompt }) =>
    prompt.kind === "chat" ? prompt.messages.map((turn) => turn.content) : [],
  );

test("a conversation carries its history until /reset, and ends with the input", async () => {
  const run = fakeRun({
    args: ["chat", "--system", "sys"],
    input: "HELLO YOU\n\nhow are you\n/reset\nagain\n",
  });
  assert.equal(await runCli(run.context), 0);
  assert.deepEqual(contents(run), [
    ["sys", "HELLO YOU"],
    ["sys", "HELLO YOU", "hello you", "how are you"],
    ["sys", "again"],
  ]);
  assert.equal(run.out(), "hello you\nhow are you\nThe conversation starts afresh.\nagain\n");
  assert.equal(run.events.at(-1), "stop 0");
});

test("/exit leaves, /help and unknown commands explain", async () => {
  const run = fakeRun({ args: ["chat"], input: "/help\n/nope now\n/exit\nnever\n" });
  assert.equal(await runCli(run.context), 0);
  assert.equal(run.requests.length, 0);
  assert.match(run.out(), /^\/reset forgets[^\n]+\nThere is no command \/nope\. \/reset forgets/);
});

test("a signal during an answer stops the answer, which stays as far as it came; without one it leaves", async () => {
  const input = new PassThrough();
  const run = fakeRun({
    args: ["chat"],
    input,
    beforeWord: async (word) => {
      if (word === "two") run.signal("SIGINT");
    },
  });
  const exit = runCli(run.context);
  input.write("one two\n");
  await run.shown("one [stopped]\n");
  input.write("next\n");
  await run.shown("next\n");
  run.signal("SIGINT");
  assert.equal(await exit, 0);
  assert.deepEqual(contents(run)[1], ["one two", "one", "next"]);
});

test("a failed answer is told and forgotten, and the conversation goes on", async () => {
  const run = fakeRun({ args: ["chat"], input: "fail\nhi\n" });
  assert.equal(await runCli(run.context), 0);
  assert.equal(run.out(), "The prompt is too long.\nhi\n");
  assert.deepEqual(contents(run)[1], ["hi"]);
});

test("a model without a chat template is refused with what to use instead", async () => {
  const run = fakeRun({ args: ["chat"], input: "hi\n", info: { hasChatTemplate: false } });
  assert.equal(await runCli(run.context), 1);
  assert.match(run.err(), /troupe: fake has no chat template; use troupe generate\.\n$/);
});
