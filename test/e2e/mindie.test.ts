/** configs/mindie.json served with the embedded model, and the commands of docs/mindie.md run against it as they stand. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { startEngine } from "../../actors/engine.ts";
import { loadConfig } from "../../src/config/load-config.ts";
import { systemClock } from "../../src/core/clock.ts";
import type { Engine } from "../../src/protocol/engine.ts";
import { createServer, type ServerAddresses, type TroupeServer } from "../../src/serving/create-server.ts";
import { createLogger } from "../../src/serving/logger.ts";
import { markedBlocks } from "../project/readme-blocks.ts";

const page = readFileSync(new URL("../../docs/mindie.md", import.meta.url), "utf8");
const blocks = markedBlocks(page);
let engine: Engine;
let server: TroupeServer;
let addresses: ServerAddresses;

before(async () => {
  const config = loadConfig({
    file: fileURLToPath(new URL("../../configs/mindie.json", import.meta.url)),
    overrides: {
      model: { cacheDir: join(tmpdir(), "troupe-test-cache") },
      engine: { kvCacheMb: 64 },
      server: { port: 0 },
      management: { host: "127.0.0.1", port: 0 },
      metrics: { host: "127.0.0.1", port: 0 },
    },
    env: {},
  });
  engine = await startEngine(config, {});
  server = createServer({
    engine,
    config: config.server,
    management: config.management,
    metrics: config.metrics,
    logger: createLogger({ level: "silent", format: "json" }, { write: () => undefined }),
    version: "0",
    clock: systemClock,
  });
  addresses = await server.listen();
});

after(async () => {
  await server.close();
  await engine.stop();
});

const post = async (path: string, body: object): Promise<Response> =>
  await fetch(addresses.url + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });

async function generated(body: object): Promise<string> {
  return ((await (await post("/generate", body)).json()) as { generated_text: string }).generated_text;
}

for (const block of blocks) {
  test(`docs/mindie.md: ${block.code.split("\n")[0]}`, { skip: process.platform === "win32" }, async () => {
    const { url, management, metrics } = addresses;
    const code = block.code
      .replaceAll("http://127.0.0.1:1025", url)
      .replaceAll("http://127.0.0.2:1026", management!)
      .replaceAll("http://127.0.0.2:1027", metrics!);
    const output = await run(code);
    assert.ok(output.includes(block.shows), `${JSON.stringify(block.shows)} is not in:\n${output}`);
  });
}

test("every marked command of the page is run", () => {
  assert.equal(page.match(/<!-- run:/g)?.length, blocks.length);
  assert.ok(blocks.length >= 12);
});

test("an answer is the same alone and among others that came within the delay of a batch", async () => {
  const body = (inputs: string) => ({ inputs, parameters: { max_new_tokens: 12, do_sample: true, seed: 5 } });
  const prompts = ["Once upon a time", "The cat", "What is 2 plus 2?", "A small dog"];
  const alone: string[] = [];
  for (const prompt of prompts) alone.push(await generated(body(prompt)));
  const together = await Promise.all(prompts.map((prompt) => generated(body(prompt))));
  assert.deepEqual(together, alone);
});

test("the stream and the whole answer of every dialect have one text", async () => {
  const parameters = { max_new_tokens: 10 };
  const whole = await generated({ inputs: "Once upon a time", parameters });
  const streamed = await (await post("/generate_stream", { inputs: "Once upon a time", parameters })).text();
  const frames = streamed.split("\n\n").filter((frame) => frame !== "");
  const parsed = frames.map((frame) => JSON.parse(frame.slice("data: ".length)) as TgiFrame);
  assert.equal(parsed.map(({ token }) => token.text).join(""), whole);
  assert.equal(parsed.at(-1)?.generated_text, whole);
  assert.ok(parsed.every(({ token }) => token.logprob <= 0));
  const native = await (await post("/infer", { inputs: "Once upon a time", parameters })).json();
  assert.equal((native as { generated_text: string }).generated_text, whole);
});

interface TgiFrame {
  readonly token: { readonly text: string; readonly logprob: number };
  readonly generated_text: string | null;
}

test("an answer is as long as the context leaves, instead of being refused", async () => {
  const inputs = "word ".repeat(300);
  const { details } = (await (
    await post("/generate", { inputs, parameters: { max_new_tokens: 100_000, details: true } })
  ).json()) as { details: { generated_tokens: number; prompt_tokens: number } };
  assert.ok(details.generated_tokens <= Math.min(512, 2048 - details.prompt_tokens));
});

test("a prompt over maxInputTokenLen is refused, and cut where the request says so", async () => {
  const inputs = "word ".repeat(1700);
  const refused = await post("/generate", { inputs });
  assert.equal(refused.status, 422);
  assert.match(((await refused.json()) as { error: string }).error, /limit of this server is 1536/);
  const parameters = { truncate: 5, max_new_tokens: 1, details: true };
  const cut = (await (await post("/generate", { inputs, parameters })).json()) as {
    details: { prompt_tokens: number };
  };
  assert.equal(cut.details.prompt_tokens, 5);
});

function run(code: string): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile("bash", ["-euo", "pipefail", "-c", code], (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${error.message}\n${stdout}\n${stderr}`));
    });
  });
}
