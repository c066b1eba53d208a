/**
 * The official openai client against a running server (`npm start`).
 *
 *     npm run -s example examples/openai-client.ts
 */
import OpenAI from "openai";

const baseURL = `${process.env.TROUPE_URL ?? "http://127.0.0.1:8000"}/v1`;
const client = new OpenAI({ baseURL, apiKey: "none" });

const stream = await client.chat.completions.create({
  model: "understudy",
  messages: [{ role: "user", content: "Count from 1 to 12." }],
  temperature: 0,
  stream: true,
});
for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta.content ?? "");
console.log();

const whole = await client.chat.completions.create({
  model: "understudy",
  messages: [{ role: "user", content: "Hello" }],
  temperature: 0,
  logprobs: true,
  top_logprobs: 2,
});
console.log(whole.choices[0]?.message.content, whole.usage);
console.log("first token:", whole.choices[0]?.logprobs?.content?.[0]);
