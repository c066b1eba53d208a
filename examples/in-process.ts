/**
 * The engine inside your own program, without a server.
 *
 *     npm run -s example examples/in-process.ts
 */
import { createSamplingParams, parseConfig, startEngine } from "../src/index.ts"; // in your project: from "troupe"

const engine = await startEngine(parseConfig({ log: { level: "warn" } }));

const answer = engine.generate({
  prompt: { kind: "chat", messages: [{ role: "user", content: "What is the capital of France?" }] },
  params: createSamplingParams({ temperature: 0, maxTokens: 64 }),
});
for await (const event of answer) {
  if (event.kind === "delta") process.stdout.write(event.text);
  if (event.kind === "done") console.log(`\n(${event.usage.numOutputTokens} tokens)`);
}

// Many at once share the steps of one engine; each one's text is what it would be alone.
const questions = ["What is 17 + 15?", "What day comes after Monday?", "How do you spell penguin?"];
const answers = await Promise.all(
  questions.map(async (content) => {
    let text = "";
    const params = createSamplingParams({ temperature: 0, maxTokens: 64 });
    for await (const event of engine.generate({
      prompt: { kind: "chat", messages: [{ role: "user", content }] },
      params,
    }))
      if (event.kind === "delta") text += event.text;
    return text;
  }),
);
questions.forEach((question, index) => {
  console.log(`${question} ${answers[index]}`);
});

await engine.stop();
