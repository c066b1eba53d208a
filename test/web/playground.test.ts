/** The playground in a real browser, over an engine that answers from a script. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Browser, BrowserContextOptions, Locator, Page } from "playwright-core";
import { TroupeError } from "../../src/errors/troupe-error.ts";
import { ModelRegistry } from "../../src/serving/model-registry.ts";
import { FakeEngine } from "../serving/fake-engine.ts";
import { startServer } from "../serving/test-server.ts";
import { openPage, skip, startBrowser, startWire } from "./browser.ts";

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL("../..", import.meta.url));

let browser: Browser;
before(async () => {
  if (skip === false) browser = await startBrowser();
});
after(() => browser?.close());

interface Playground extends AsyncDisposable {
  readonly engine: FakeEngine;
  readonly page: Page;
  readonly prompt: Locator;
  readonly answer: Locator;
  readonly problems: string[];
}

async function open(t: TestContext, options: BrowserContextOptions = {}): Promise<Playground> {
  const { engine, url } = await startServer(t);
  const { page, problems, ...rest } = await openPage(browser, url, options);
  return {
    engine,
    page,
    prompt: page.getByRole("textbox", { name: "Message", exact: true }),
    answer: page.locator(".assistant").last(),
    problems,
    [Symbol.asyncDispose]: rest[Symbol.asyncDispose],
  };
}

function isFocused(field: Locator): Promise<boolean> {
  return field.evaluate((node) => node.matches(":focus"));
}

/** The conversation that the engine was last asked to continue. */
function lastMessages({ requests }: FakeEngine): unknown {
  const { prompt } = requests.at(-1)!;
  return prompt.kind === "chat" && prompt.messages.map(({ role, content }) => `${role}: ${content}`);
}

test("an answer streams in, is read out, and has its figures", { skip }, async (t) => {
  await using open_ = await open(t);
  const { engine, page, prompt, answer, problems } = open_;
  engine.script = { tokens: ["Hello", " world", "!"], holdAfterTokens: 2 };
  await prompt.fill("Hi");
  await prompt.press("Enter");
  await answer.getByText("Hello world", { exact: true }).waitFor();
  assert.equal(await answer.getAttribute("data-state"), "running");
  assert.equal(await prompt.inputValue(), "");
  engine.release();
  await answer.getByText("Hello world!", { exact: true }).waitFor();
  await answer.getByText(/^3 tokens · [\d.]+ tokens\/s · first after \d+ ms · complete$/).waitFor();
  assert.match((await page.locator("#announcer").textContent()) ?? "", /Hello world!/);
  assert.deepEqual(problems, []);
});

test("stop ends an answer, keeps what is there and frees the engine", { skip }, async (t) => {
  await using open_ = await open(t);
  const { engine, page, prompt, answer, problems } = open_;
  engine.script = { holdAfterTokens: 2 };
  await prompt.fill("Hi");
  await prompt.press("Enter");
  await answer.getByText("Hello world", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Stop" }).click();
  await answer.getByText(/stopped$/).waitFor();
  await engine.until(({ cancelled }) => cancelled.length === 1);
  assert.equal(await answer.locator(".text").textContent(), "Hello world");
  assert.equal(await page.getByRole("button", { name: "Send", exact: true }).isVisible(), true);
  assert.equal(await isFocused(prompt), true);
  assert.deepEqual(problems, []);
});

test("retry asks the same again, edit asks something else and forgets what came after", {
  skip,
}, async (t) => {
  await using open_ = await open(t);
  const { engine, page, prompt, answer, problems } = open_;
  const say = async (text: string): Promise<void> => {
    await prompt.fill(text);
    await prompt.press("Enter");
    await answer.getByText(/complete$/).waitFor();
  };
  await say("one");
  await say("two");
  assert.deepEqual(lastMessages(engine), ["user: one", "assistant: Hello world!", "user: two"]);
  engine.script = { tokens: ["Again"] };
  await answer.getByRole("button", { name: "Retry" }).click();
  await answer.getByText("Again", { exact: true }).waitFor();
  assert.deepEqual(lastMessages(engine), ["user: one", "assistant: Hello world!", "user: two"]);

  const first = page.locator(".user").first();
  await first.getByRole("button", { name: "Edit" }).click();
  const field = first.getByRole("textbox", { name: "Edit the message" });
  assert.equal(await first.locator(".text").isVisible(), false);
  await field.press("Escape");
  assert.equal(await first.locator(".text").isVisible(), true);
  assert.equal(await isFocused(first.getByRole("button", { name: "Edit" })), true);
  await first.getByRole("button", { name: "Edit" }).click();
  await field.fill("three");
  await first.getByRole("button", { name: "Send again" }).click();
  await answer.getByText(/complete$/).waitFor();
  assert.deepEqual(lastMessages(engine), ["user: three"]);
  assert.equal(await page.locator(".message").count(), 2);
  await page.getByRole("button", { name: "New conversation" }).click();
  assert.equal(await page.locator(".message").count(), 0);
  assert.deepEqual(problems, []);
});

test("every control reaches the request, and a wrong value is pointed at instead of sent", {
  skip,
}, async (t) => {
  await using open_ = await open(t);
  const { engine, page, prompt, answer, problems } = open_;
  const values = {
    Temperature: "0.5",
    "Top p": "0.9",
    "Top k": "40",
    "Min p": "0.05",
    "Repetition penalty": "1.1",
    "Presence penalty": "0.2",
    "Frequency penalty": "-0.3",
    Seed: "7",
    "Max tokens": "2",
    "Stop strings, one on each line": "END\n###",
    "System message": "Be brief.",
  };
  for (const [label, value] of Object.entries(values)) await page.getByLabel(label).fill(value);
  await prompt.fill("Hi");
  await prompt.press("Enter");
  await answer.getByText(/ended by the token limit$/).waitFor();
  const { params } = engine.requests[0]!;
  const { temperature, topP, topK, minP, repetitionPenalty, presencePenalty } = params;
  assert.deepEqual(
    [temperature, topP, topK, minP, repetitionPenalty, presencePenalty],
    [0.5, 0.9, 40, 0.05, 1.1, 0.2],
  );
  assert.deepEqual([params.frequencyPenalty, params.seed, params.maxTokens], [-0.3, 7, 2]);
  assert.deepEqual(params.stop, ["END", "###"]);
  assert.deepEqual(lastMessages(engine), ["system: Be brief.", "user: Hi"]);

  await page.getByLabel("Temperature").fill("9");
  await prompt.fill("Again");
  await prompt.press("Enter");
  await page.getByRole("alert").getByText("Temperature is a number from 0 to 2.").waitFor();
  assert.equal(await isFocused(page.getByLabel("Temperature")), true);
  assert.equal(engine.requests.length, 1);
  assert.equal(await prompt.inputValue(), "Again");
  await page.getByRole("button", { name: "Reset" }).click();
  assert.equal(await page.getByLabel("Seed").inputValue(), "");
  assert.deepEqual(problems, []);
});

test("a reload keeps the conversation, and an answer that ran goes on; a new conversation is kept nowhere", {
  skip,
}, async (t) => {
  await using open_ = await open(t);
  const { engine, page, prompt, answer, problems } = open_;
  await page.getByLabel("Top k").fill("5");
  await prompt.fill("one");
  await prompt.press("Enter");
  await answer.getByText(/complete$/).waitFor();
  engine.script = { holdAfterTokens: 2 };
  await prompt.fill("two");
  await prompt.press("Enter");
  await answer.getByText("Hello world", { exact: true }).waitFor();
  await page.reload();
  assert.deepEqual(await page.locator(".user .text").allTextContents(), ["one", "two"]);
  await answer.getByText("Hello world", { exact: true }).waitFor();
  assert.equal(await answer.getAttribute("data-state"), "running");
  await page.getByText("Connected", { exact: true }).waitFor();
  engine.release();
  await answer.getByText(/^3 tokens .*complete$/).waitFor();
  assert.equal(await answer.locator(".text").textContent(), "Hello world!");
  assert.equal(engine.requests.length, 2);

  engine.script = {};
  await page.reload();
  await page.getByText("Connected", { exact: true }).waitFor();
  assert.equal(await answer.getAttribute("data-state"), "done");
  await answer.getByRole("button", { name: "Retry" }).click();
  await answer.getByText(/complete$/).waitFor();
  assert.deepEqual(lastMessages(engine), ["user: one", "assistant: Hello world!", "user: two"]);
  await page.getByRole("button", { name: "New conversation" }).click();
  await page.reload();
  await page.getByText("Ask something.").waitFor();
  assert.equal(await page.locator(".message").count(), 0);
  assert.deepEqual(problems, []);
});

test("a refused request says why", { skip }, async (t) => {
  await using open_ = await open(t);
  const { engine, prompt, answer } = open_;
  engine.script = { refuse: new TroupeError("queue_full", "Too many wait here.") };
  await prompt.fill("Hi");
  await prompt.press("Enter");
  await answer.getByText("Too many wait here.").waitFor();
  assert.equal(await answer.getAttribute("data-state"), "failed");
});

test("the copied command and the copied program give the same answer", { skip }, async (t) => {
  await using open_ = await open(t, { permissions: ["clipboard-read", "clipboard-write"] });
  const { page, prompt, answer, problems } = open_;
  await page.getByLabel("Top k").fill("5");
  await prompt.fill('It\'s "here"\n$HOME');
  await prompt.press("Enter");
  await answer.getByText(/complete$/).waitFor();
  const copied = async (name: string): Promise<string> => {
    await answer.getByRole("button", { name }).click();
    await answer.getByRole("button", { name: "Copied" }).last().waitFor();
    return String(await page.evaluate("navigator.clipboard.readText()"));
  };
  const command = await copied("Copy as curl");
  const { stdout: sse } = await run("sh", ["-c", command]);
  const deltas = [...sse.matchAll(/"content":"([^"]*)"/g)].map(([, text]) => text);
  assert.equal(deltas.join(""), "Hello world!");
  assert.deepEqual(lastMessages(open_.engine), ['user: It\'s "here"\n$HOME']);
  const program = await copied("Copy as openai code");
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", program], { cwd: ROOT });
  assert.equal(stdout, "Hello world!");
  assert.deepEqual(
    open_.engine.requests.map(({ params }) => params.topK),
    [5, 5, 5],
  );
  assert.deepEqual(problems, []);
});

test("an answer goes on where it was when a dropped connection is back", { skip }, async (t) => {
  const { engine, port } = await startServer(t);
  await using wire = await startWire(port);
  await using opened = await openPage(browser, wire.url);
  const { page } = opened;
  engine.script = { holdAfterTokens: 2 };
  await page.getByRole("textbox", { name: "Message", exact: true }).fill("Hi");
  await page.keyboard.press("Enter");
  const answer = page.locator(".assistant").last();
  await answer.getByText("Hello world", { exact: true }).waitFor();
  wire.cut();
  await page.locator("#announcer").getByText("Connection lost").waitFor({ state: "attached" });
  await page.locator("#announcer").getByText("Connected again").waitFor({ state: "attached" });
  engine.release();
  await answer.getByText(/^3 tokens .* complete$/).waitFor();
  assert.equal(await answer.locator(".text").textContent(), "Hello world!");
  assert.equal(await answer.locator(".problem").isVisible(), false);
  assert.equal(engine.requests.length, 1);
});

test("an answer that the server forgot meanwhile is said to be lost and can be asked for again", {
  skip,
}, async (t) => {
  const { engine, port } = await startServer(t, { config: { resumeWindowMs: 1 } });
  await using wire = await startWire(port);
  await using opened = await openPage(browser, wire.url);
  const { page } = opened;
  engine.script = { holdAfterTokens: 2 };
  await page.getByRole("textbox", { name: "Message", exact: true }).fill("Hi");
  await page.keyboard.press("Enter");
  const answer = page.locator(".assistant").last();
  await answer.getByText("Hello world", { exact: true }).waitFor();
  wire.cut();
  await answer.getByText(/the server no longer had this answer/).waitFor();
  engine.release();
  engine.script = {};
  await answer.getByRole("button", { name: "Retry" }).click();
  await answer.getByText(/complete$/).waitFor();
  assert.equal(await answer.locator(".text").textContent(), "Hello world!");
});

test("a server with keys gets one from the user, for requests, the socket and the stage", {
  skip,
}, async (t) => {
  const { url } = await startServer(t, { config: { apiKeys: ["right-key-1"] } });
  await using opened = await openPage(browser, url, { awaits: "This server wants an API key" });
  const { page } = opened;
  const field = page.getByLabel("This server wants an API key");
  assert.equal(await isFocused(field), true);
  await field.fill("wrong-key");
  await field.press("Enter");
  await page.getByText("The server does not take that key.").waitFor();
  await field.fill("right-key-1");
  await field.press("Enter");
  await page.getByText("Connected").waitFor();
  await page.getByText("Live, four looks a second").waitFor();
  await page.getByRole("textbox", { name: "Message", exact: true }).fill("Hi");
  await page.keyboard.press("Enter");
  await page.getByText(/complete$/).waitFor();
  assert.equal(await field.isVisible(), false);
});

test("a socket that was closed for being idle is opened by the next message", { skip }, async (t) => {
  const { url } = await startServer(t, { config: { socketIdleTimeoutMs: 300, pingIntervalMs: 300 } });
  await using opened = await openPage(browser, url, { awaits: "Idle, connects with the next message" });
  const { page, problems } = opened;
  await page.getByRole("textbox", { name: "Message", exact: true }).fill("Hi");
  await page.keyboard.press("Enter");
  await page.getByText(/complete$/).waitFor();
  assert.deepEqual(problems, []);
});

test("everything can be done with the keyboard", { skip }, async (t) => {
  await using open_ = await open(t);
  const { engine, page, prompt, answer, problems } = open_;
  const press = (key: string): Promise<void> => page.keyboard.press(key);
  const focused = async (): Promise<string> =>
    String(await page.evaluate("document.activeElement.textContent.trim() || document.activeElement.id"));
  assert.equal(await focused(), "prompt");
  engine.script = { holdAfterTokens: 1 };
  await page.keyboard.type("Hi");
  await press("Enter");
  await answer.getByText("Hello", { exact: true }).waitFor();
  await press("Tab");
  assert.equal(await focused(), "Stop");
  await press("Escape");
  await answer.getByText(/stopped$/).waitFor();
  assert.equal(await focused(), "prompt");
  engine.release();
  engine.script = {};
  for (const name of ["Copy as openai code", "Copy as curl", "Copy", "Retry"]) {
    await press("Shift+Tab");
    assert.equal(await focused(), name);
  }
  await press("Enter");
  await answer.getByText("Hello world!", { exact: true }).waitFor();
  assert.equal(await focused(), "prompt");
  await page.evaluate("document.activeElement.blur()");
  await page.reload();
  await page.getByText("Connected").waitFor();
  await page.evaluate("document.activeElement.blur(); document.body.focus()");
  await page.locator(".skip-link").focus();
  await press("Enter");
  assert.equal(await isFocused(prompt), true);
  assert.deepEqual(problems, []);
});

test("an answer can be stopped while the connection is lost", { skip }, async (t) => {
  const { engine, port } = await startServer(t);
  await using wire = await startWire(port);
  await using opened = await openPage(browser, wire.url);
  const { page } = opened;
  engine.script = { holdAfterTokens: 2 };
  await page.getByRole("textbox", { name: "Message", exact: true }).fill("Hi");
  await page.keyboard.press("Enter");
  const answer = page.locator(".assistant").last();
  await answer.getByText("Hello world", { exact: true }).waitFor();
  wire.cut();
  await page.keyboard.press("Escape");
  await answer.getByText(/stopped$/).waitFor();
  await engine.until(({ cancelled }) => cancelled.length === 1);
  assert.equal(await answer.locator(".text").textContent(), "Hello world");
});

test("of several models the reader chooses one; the answer and the stage are that model's", {
  skip,
}, async (t) => {
  const small = new FakeEngine({ names: ["small", "org/small"], maxModelLen: 512 });
  const large = new FakeEngine({ names: ["large"] });
  large.script = { tokens: ["Large", " talk"] };
  large.pages = new Uint8Array(7);
  const models = new ModelRegistry({ engines: [small, large] });
  const { url } = await startServer(t, { engine: small, models });
  await using opened = await openPage(browser, url);
  const { page, problems } = opened;
  const choice = page.getByRole("combobox", { name: "Model" });
  assert.deepEqual(await choice.locator("option").allTextContents(), ["small", "large"]);
  await page.getByText("context 512 tokens").waitFor();
  await choice.selectOption("large");
  await page.getByText("context 2,048 tokens").waitFor();
  await page
    .locator("#pages-text")
    .getByText(/^7 pages/)
    .waitFor();
  await page.getByRole("textbox", { name: "Message", exact: true }).fill("Hi");
  await page.keyboard.press("Enter");
  await page.locator(".assistant").getByText("Large talk", { exact: true }).waitFor();
  assert.deepEqual([small.requests.length, large.requests.length], [0, 1]);
  assert.deepEqual(problems, []);
});
