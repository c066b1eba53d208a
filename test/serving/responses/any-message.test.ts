import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { WebSocket } from "ws";
import { startServer } from "../test-server.ts";

const value = fc.oneof(
  fc.constantFrom<unknown>(null, true, -1, 0, 1, 1e300, "", "x", [], {}, "resp_id1", [
    { role: "user", content: "x" },
  ]),
  fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<unknown>,
);
const FIELDS =
  "type stream_id response_id starting_after input instructions previous_response_id store generate background metadata " +
  "include top_logprobs max_output_tokens temperature truncation stream stream_options text";
const message = fc.record({
  type: fc.constantFrom("response.create", "response.cancel", "response.resume", "response.steer", "x", 7),
  fields: fc.dictionary(fc.constantFrom(...FIELDS.split(" ")), value, { noNullPrototype: true, maxKeys: 4 }),
});
const frame = fc.oneof(
  { weight: 4, arbitrary: message.map(({ type, fields }) => JSON.stringify({ ...fields, type })) },
  { weight: 1, arbitrary: fc.string({ maxLength: 200 }) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }) },
);

test("whatever a client sends, the server answers the next sound request and keeps nothing running", async (t) => {
  const { engine, port, log } = await startServer(t);
  await fc.assert(
    fc.asyncProperty(fc.array(frame, { maxLength: 12 }), async (frames) => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/responses`);
      const last = new Promise<string>((resolve, reject) => {
        socket.on("message", (data) => {
          const event = JSON.parse(String(data)) as { type: string; stream_id?: string };
          if (event.stream_id === "last" && event.type !== "response.in_progress") resolve(event.type);
        });
        socket.on("close", (code) => reject(new assert.AssertionError({ message: `closed with ${code}` })));
      });
      await new Promise((resolve) => socket.once("open", resolve));
      for (const item of frames) socket.send(item);
      socket.send(JSON.stringify({ type: "response.create", stream_id: "last", input: "Hi" }));
      assert.equal(await last, "response.created");
      socket.removeAllListeners("close");
      socket.terminate();
    }),
    { numRuns: 60 },
  );
  await engine.until(({ numLive }) => numLive === 0);
  const bugs = log.filter(({ msg }) => msg === "a request failed by a bug");
  assert.deepEqual(bugs, []);
});
