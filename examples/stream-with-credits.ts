/**
 * A stream between two threads with a window of 4: the producer never runs further ahead than its reader allows, however
 * slow that one is, and leaving the loop stops it.
 *
 *     npm run -s example examples/stream-with-credits.ts
 */
import { isMainThread } from "node:worker_threads";
import { createActorSystem, defineActor } from "../src/index.ts"; // in your project: from "troupe"

type SensorProtocol = {
  readings: { message: { from: number }; item: number };
  numProduced: { message: null; reply: number };
};

export default defineActor<SensorProtocol, null, { numProduced: number }>({
  init: () => ({ numProduced: 0 }),
  handlers: {
    async *readings(state, { from }) {
      try {
        for (let n = from; ; n++) {
          state.numProduced++;
          yield n;
        }
      } finally {
        console.log("the producer was cancelled");
      }
    },
    numProduced: (state) => state.numProduced,
  },
});

if (isMainThread) {
  const system = createActorSystem();
  const sensor = await system.spawn<SensorProtocol>(new URL(import.meta.url), { host: "thread", args: null });
  const window = 4;
  let numRead = 0;
  let maxAhead = 0;
  for await (const reading of system.stream(sensor, "readings", { from: 100 }, { window })) {
    numRead++;
    // This ask takes as long as a slow client might; the sensor could have produced thousands meanwhile.
    const numProduced = await system.ask(sensor, "numProduced", null);
    maxAhead = Math.max(maxAhead, numProduced - numRead);
    if (reading === 149) break;
  }
  console.log(`read ${numRead}, never more than the window ahead: ${maxAhead <= window}`);
  await system.shutdown();
}
