/**
 * Many token streams on one WebSocket, against a running server (`npm start`). The protocol: docs/websocket.md.
 *
 *     npm run -s example examples/websocket-streaming.ts
 */
const url = (process.env.TROUPE_URL ?? "http://127.0.0.1:8000").replace(/^http/, "ws");
const socket = new WebSocket(`${url}/v1/stream`);
const questions = new Map([
  ["a", "Count from 1 to 12."],
  ["b", "What day comes after Monday?"],
  ["c", "How do you spell penguin?"],
]);
const texts = new Map<string, string>();

socket.addEventListener("open", () => {
  for (const [id, content] of questions)
    socket.send(
      JSON.stringify({ type: "generate", id, messages: [{ role: "user", content }], temperature: 0 }),
    );
});

socket.addEventListener("message", ({ data }) => {
  const message = JSON.parse(String(data));
  if (message.type === "token") {
    texts.set(message.id, (texts.get(message.id) ?? "") + message.text);
    console.log(`${message.id} ${JSON.stringify(message.text)}`);
  } else if (message.type === "done") {
    console.log(`${message.id} done: ${texts.get(message.id)}`);
    questions.delete(message.id);
    if (questions.size === 0) socket.close();
  } else {
    console.error(message);
    process.exitCode = 1;
    socket.close();
  }
});

socket.addEventListener("error", () => {
  console.error(`No connection to ${url}: is the server running (npm start)?`);
  process.exitCode = 1;
});
