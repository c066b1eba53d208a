/** The request behind an answer as a command and as a program. */

/** @param base address of the server, ending in a slash */
export function toCurl(base, body) {
  const json = JSON.stringify({ ...body, stream: true }, null, 2).replaceAll("'", "'\\''");
  return `curl -N ${base}v1/chat/completions \\\n  -H 'content-type: application/json' \\\n  -d '${json}'\n`;
}

/** For Node.js with the `openai` package; fields that OpenAI does not know are passed on by it as they are. */
export function toOpenAi(base, body) {
  const fields = JSON.stringify({ ...body, stream: true }, null, 2);
  return `import OpenAI from "openai";

const client = new OpenAI({ baseURL: "${base}v1", apiKey: "none" });
const stream = await client.chat.completions.create(${fields});
for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta?.content ?? "");
`;
}
