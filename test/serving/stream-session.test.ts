import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../src/core/clock.ts";
import type { AnswerMessage } from "../../src/protocol/stream-messages.ts";
import { ActiveWork } from "../../src/serving/active-work.ts";
import { KeptStreams } from "../../src/serving/kept-streams.ts";
import { createLogger } from "../../src/serving/logger.ts";
import { Metrics } from "../../src/serving/metrics.ts";

import { ModelRegistry } from "../../src/serving/model-registry.ts";
import { PeerTable } from "../../src/serving/peer-table.ts";
import { createContexts } from "../../src/serving/serving-context.ts";

import { StreamSession } from "../../src/serving/stream-session.ts";
import { FakeEngine } from "./fake-engine.ts";
import { CONFIG } from "./test-server.ts";

/** A session on a socket whose bytes leave only when the test says so. */
function createSession(maxBufferedBytes: number) {
  const engine = new FakeEngine();
  const unsent: { readonly bytes: Buffer; readonly onFlushed: () => void }[] = [];
  const state = { isReading: true };
  const models = new ModelRegistry({ engines: [engine] });
  const context = createContexts({
    models,
    peers: new PeerTable([]),
    logsPrompts: false,
    limits: { ...CONFIG, maxBufferedBytes },
    eventStreams: new KeptStreams<string>({ clock: systemClock, windowMs: 0 }),
    messageStreams: new KeptStreams<AnswerMessage>({ clock: systemClock, windowMs: 0 }),
    metrics: new Metrics({
      models,
      clock: systemClock,
      connections: { numOpen: 0, numRefused: 0, numStalled: 0 },
    }),
    logger: createLogger({ level: "silent", format: "json" }),
    clock: systemClock,
    work: new ActiveWork(systemClock),
    version: "0",
    newId: () => "id",
    unixSeconds: () => 0,
  });
  const session = new StreamSession(
    context,
    { maxRequestsPerSocket: 4, maxBufferedBytes },
    {
      send: (bytes, onFlushed) => void unsent.push({ bytes, onFlushed }),
      client: "127.0.0.1",
      owner: "everybody",
      traceparent: null,
      pauseReading: () => {
        state.isReading = false;
      },
      resumeReading: () => {
        state.isReading = true;
      },
    },
  );
  return { engine, session, unsent, state, work: context.work };
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("a client that sends nonsense and reads no answers is not read until it has caught up", async () => {
  const { session, unsent, state } = createSession(1024);
  let numMessages = 0;
  for (; state.isReading; numMessages++) {
    session.receive("{");
    await settle();
  }
  const numBytes = unsent.reduce((sum, { bytes }) => sum + bytes.length, 0);
  assert.equal(numBytes <= 1024, true, `${numBytes} bytes wait`);
  assert.equal(numMessages < 20, true);
  let numAnswers = 0;
  while (unsent.length > 0) {
    unsent.shift()?.onFlushed();
    numAnswers++;
    await settle();
  }
  assert.equal(state.isReading, true);
  assert.equal(numAnswers, numMessages);
});

test("a request pulls from the engine only what its client takes", async () => {
  const { engine, session, unsent } = createSession(1024);
  engine.script = { tokens: Array.from({ length: 100 }, () => "x".repeat(200)) };
  session.receive(JSON.stringify({ type: "generate", id: "a", prompt: "x", max_tokens: 100 }));
  await engine.until(({ numPulled }) => numPulled >= 4);
  await settle();
  assert.equal(unsent.reduce((sum, { bytes }) => sum + bytes.length, 0) <= 1024, true);
  const before = engine.numPulled;
  await settle();
  assert.equal(engine.numPulled, before);
  unsent.shift()?.onFlushed();
  await engine.until(({ numPulled }) => numPulled === before + 1);
  session.close();
  await engine.until(({ numLive }) => numLive === 0);
});

test("closing ends the work of requests that wait for their client", async () => {
  const { engine, session, work } = createSession(100);
  engine.script = { tokens: Array.from({ length: 100 }, () => "x".repeat(200)) };
  session.receive(JSON.stringify({ type: "generate", id: "a", prompt: "x", max_tokens: 100 }));
  await engine.until(({ numPulled }) => numPulled >= 2);
  assert.equal(work.size, 1);
  session.close();
  await engine.until(({ numLive }) => numLive === 0);
  await settle();
  assert.equal(work.size, 0);
});
