import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { WebSocket } from "ws";
import { systemClock } from "../../src/core/clock.ts";
import type { Engine, Prompt } from "../../src/protocol/engine.ts";
import type { SamplingParams } from "../../src/sampling/sampling-params.ts";
import { createServer } from "../../src/serving/create-server.ts";
import { createLogger } from "../../src/serving/logger.ts";
import { params, question, startTestEngine, whole } from "../actors/test-engine.ts";
import { CONFIG, rawPost } from "../serving/test-server.ts";

const NUM_ANSWERS = 8;
const MAX_TOKENS = 500;
const MESSAGES = [{ role: "user", content: "Tell me a short story." }];
/** Twenty alternatives make a token weigh 1.5 KB: the kernel alone takes 4 MB for a client that does not read. */
const SAMPLING = { n: NUM_ANSWERS, max_tokens: MAX_TOKENS, ignore_eos: true, seed: 7 };
/** What may wait in the engine for one request: its queue up to the mark, a step of every answer, what is under way. */
const MAX_WAITING_TOKENS = 64 + 6 * NUM_ANSWERS;

/** A client that has asked for long answers and does not read. */
interface SlowReader {
  /** Reads on to the end; returns the texts. */
  readAll(): Promise<string[]>;
  leave(): void;
}

async function slowSse(port: number): Promise<SlowReader> {
  const fields = { ...SAMPLING, messages: MESSAGES, stream: true, logprobs: true, top_logprobs: 20 };
  const socket = await rawPost(port, "/v1/chat/completions", fields);
  socket.pause();
  return {
    async readAll() {
      let received = "";
      socket.setEncoding("utf8");
      for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
        received += chunk;
        if (received.endsWith("0\r\n\r\n")) break;
      }
      const texts = Array.from({ length: NUM_ANSWERS }, () => "");
      for (const [, json] of received.matchAll(/^data: (\{.*\})$/gm)) {
        const { choices } = JSON.parse(json!) as ChatChunk;
        for (const { index, delta } of choices) texts[index] += delta.content ?? "";
      }
      return texts;
    },
    leave: () => socket.destroy(),
  };
}

interface ChatChunk {
  readonly choices: readonly { readonly index: number; readonly delta: { readonly content?: string } }[];
}

async function slowWebSocket(port: number): Promise<SlowReader> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/stream`);
  await once(socket, "open");
  socket.pause();
  socket.send(
    JSON.stringify({ ...SAMPLING, type: "generate", id: "slow", messages: MESSAGES, logprobs: 20 }),
  );
  return {
    async readAll() {
      const { promise, resolve } = Promise.withResolvers<string[]>();
      const texts = Array.from({ length: NUM_ANSWERS }, () => "");
      socket.on("message", (data) => {
        const message = JSON.parse(String(data)) as { type: string; index?: number; text?: string };
        if (message.type === "token") texts[message.index!] += message.text!;
        else resolve(texts);
      });
      socket.resume();
      return await promise;
    },
    leave: () => socket.terminate(),
  };
}

/** An engine that counts what the server has taken of the long answers. */
function countingTaken(engine: Engine): { readonly counted: Engine; taken(): number } {
  let numTaken = 0;
  const generate: Engine["generate"] = async function* (request, options) {
    for await (const event of engine.generate(request, options)) {
      if (event.kind === "delta") numTaken += event.tokenIds.length;
      yield event;
    }
  };
  const counted = new Proxy(engine, {
    get(target, key) {
      if (key === "generate") return generate;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return { counted, taken: () => numTaken };
}

test("a client that never reads is paused alone, gives its pages up, and misses nothing later", async (t) => {
  await using started = await startTestEngine({
    // one thread for the model: the server's own, which pauses, must not have to wait for a core
    engine: { numPages: 200, maxModelLen: 1000, prefixCache: false, threads: 1 },
  });
  const { engine } = started;
  const { counted, taken } = countingTaken(engine);
  const logger = createLogger({ level: "silent", format: "json" });
  const config = { ...CONFIG, maxBufferedBytes: 4096 };
  const server = createServer({ engine: counted, config, logger, version: "0", clock: systemClock });
  t.after(() => server.close());
  const { port } = await server.listen();
  let numOtherTokens = 0;
  const answer = async (prompt: Prompt, fields: Partial<SamplingParams>): Promise<readonly string[]> => {
    const { texts, usage } = await whole(engine, { prompt, params: params({ ignoreEos: true, ...fields }) });
    numOtherTokens += usage.numOutputTokens;
    return texts;
  };
  const neighbour = async (maxTokens: number): Promise<string> =>
    (await answer(question("Tell me a story about a fox."), { maxTokens }))[0]!;
  const alone = await neighbour(64);
  const long = { maxTokens: MAX_TOKENS, n: NUM_ANSWERS, seed: 7, temperature: 1 };
  const expected = await answer({ kind: "chat", messages: MESSAGES }, long);

  for (const [protocol, connect] of [
    ["SSE", slowSse],
    ["WebSocket", slowWebSocket],
  ] as const) {
    await t.test(protocol, async () => {
      const numTakenBefore = taken();
      const slow = await connect(port);
      const made = (): number => engine.status().counters.generationTokens - numOtherTokens;

      // paused: its neighbour's steps give it no more tokens
      for (let before = -1; before !== made() || before === 0; ) {
        before = made();
        assert.equal(await neighbour(64), alone);
      }
      const numMade = made();
      const numWaiting = numMade - (taken() - numTakenBefore);
      assert.ok(numMade < NUM_ANSWERS * MAX_TOKENS, `all ${numMade} tokens were made: the kernel took them`);
      assert.ok(numWaiting <= MAX_WAITING_TOKENS, `${numWaiting} tokens wait in the engine`);

      // its pages are given up to neighbours that need them
      const { preemptions } = engine.status().counters;
      const texts = await Promise.all([neighbour(400), neighbour(400)]);
      for (const text of texts) assert.ok(text.startsWith(alone));
      assert.ok(engine.status().counters.preemptions > preemptions, "the pool was large enough for all");
      assert.equal(made(), numMade);

      assert.deepEqual(await slow.readAll(), expected);
      numOtherTokens += NUM_ANSWERS * MAX_TOKENS;
      slow.leave();
    });
  }
});
