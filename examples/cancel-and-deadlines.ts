/**
 * Three ways to end an answer early; each frees the request's slot and pages within a step.
 *
 *     npm run -s example examples/cancel-and-deadlines.ts
 */
import { createSamplingParams, parseConfig, startEngine, TroupeError } from "../src/index.ts"; // in your project: from "troupe"

const engine = await startEngine(parseConfig({ log: { level: "warn" } }));
const story = {
  prompt: { kind: "chat", messages: [{ role: "user", content: "Tell me a story about a fox." }] },
  params: createSamplingParams({ seed: 1, maxTokens: 1000, ignoreEos: true }),
} as const;

// 1. Leave the loop.
let numEvents = 0;
for await (const event of engine.generate(story)) {
  if (event.kind === "delta") process.stdout.write(event.text);
  if (++numEvents === 12) break;
}
console.log("\n-- left after 12 events");

// 2. Abort from somewhere else.
const controller = new AbortController();
const counted = (async () => {
  for await (const event of engine.generate(story, { signal: controller.signal }))
    if (event.kind === "delta") controller.abort();
})();
console.log("-- aborted:", await counted.catch(codeOf));

// 3. A deadline.
const limited = (async () => {
  for await (const event of engine.generate(story, { signal: AbortSignal.timeout(20) }))
    if (event.kind === "done") return "done";
})();
console.log("-- deadline:", await limited.catch(codeOf));

// A cancel acts between two steps, so after a step or two everything is free again.
while (engine.status().numFreePages < engine.status().numPages) await oneStep();
console.log("-- free pages:", engine.status().numFreePages, "of", engine.status().numPages);
await engine.stop();

function codeOf(error: unknown): string {
  return error instanceof TroupeError ? error.code : String(error);
}

async function oneStep(): Promise<void> {
  const params = createSamplingParams({ maxTokens: 1 });
  for await (const event of engine.generate({ prompt: { kind: "ids", ids: [1] }, params }))
    if (event.kind === "done") return;
}
