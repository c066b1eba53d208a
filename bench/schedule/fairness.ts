/** One API key floods the server, another asks one thing at a time: how long the second waits, by the limit for a key. */
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../src/core/clock.ts";
import { createServer } from "../../src/serving/create-server.ts";
import { createLogger } from "../../src/serving/logger.ts";
import { randomPrompt } from "../random-model.ts";
import { percentile, rounded } from "../report.ts";
import { type Figures, type Subject, withEngine } from "./subject.ts";

const FLOOD = "flooding-key";
const CALM = "calm-key";
const NUM_FLOODING = 64;
const NUM_CALM = 12;
const MAX_SEQS = 16;
const RETRY_MS = 20;

export async function fairness(subject: Subject): Promise<Record<string, Figures>> {
  const rows: Record<string, Figures> = {};
  for (const limit of [null, 8]) {
    const name = limit === null ? "no limit for a key" : `at most ${limit} requests of a key at once`;
    rows[name] = await withEngine(subject, { maxNumSeqs: MAX_SEQS, prefixCache: false }, async (engine) => {
      const base = subject.config({}).server;
      const config = { ...base, port: 0, apiKeys: [FLOOD, CALM], maxRequestsPerClient: limit };
      const logger = createLogger({ level: "silent", format: "json" });
      const server = createServer({ engine, config, logger, version: "bench", clock: systemClock });
      const { url } = await server.listen();
      const post = (key: string, salt: number): Promise<Response> =>
        fetch(`${url}/v1/completions`, {
          method: "POST",
          headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
          body: JSON.stringify({
            prompt: randomPrompt(48, salt, engine.info.vocabSize),
            max_tokens: 24,
            ignore_eos: true,
            temperature: 0,
          }),
        });
      let isOver = false;
      let numFlooded = 0;
      const flood = async (line: number): Promise<void> => {
        for (let salt = line * 1000; !isOver; salt++) {
          const response = await post(FLOOD, salt);
          await response.arrayBuffer();
          if (response.ok) numFlooded++;
          else await sleep(RETRY_MS);
        }
      };
      const flooding = Array.from({ length: NUM_FLOODING }, (_, line) => flood(line));
      const startMs = performance.now();
      const timesMs: number[] = [];
      for (let index = 0; index < NUM_CALM; index++) {
        const askedMs = performance.now();
        await (await post(CALM, 1_000_000 + index)).arrayBuffer();
        timesMs.push(performance.now() - askedMs);
      }
      isOver = true;
      const seconds = (performance.now() - startMs) / 1000;
      await Promise.all(flooding);
      await server.close();
      return {
        "calm key, p50 ms": rounded(percentile(timesMs, 0.5)),
        "max ms": rounded(Math.max(...timesMs)),
        "flooding key, answers/s": rounded(numFlooded / seconds),
      };
    });
  }
  return rows;
}
