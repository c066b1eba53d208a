/**
 * An actor of your own in the same system as the engine: it stands between edge and scheduler, sees every request
 * before it runs, and turns some away. Actors may talk to any of the cast, here to the tokenizer pool.
 *
 *     npm run -s example examples/spawn-your-own-actor.ts
 */
import {
  type AdmissionProtocol,
  actorRef,
  createActorSystem,
  createSamplingParams,
  defineActor,
  parseConfig,
  SCHEDULER,
  startEngine,
  TOKENIZER_POOL,
  TroupeError,
} from "../src/index.ts"; // in your project: from "troupe"

const FORBIDDEN = /password/i;

type ModerationProtocol = AdmissionProtocol & { numRefused: { message: null; reply: number } };

const moderation = defineActor<ModerationProtocol, null, { numRefused: number }>({
  concurrency: 64, // requests wait for the tokenizer side by side
  init: () => ({ numRefused: 0 }),
  handlers: {
    async submit(state, request, ctx) {
      const ids = [...request.promptIds];
      const text = await ctx.ask(TOKENIZER_POOL, "decode", { ids, skipSpecialTokens: true });
      if (!FORBIDDEN.test(text)) return await ctx.ask(SCHEDULER, "submit", request);
      state.numRefused++;
      throw new TroupeError("invalid_request", "This server does not talk about that.");
    },
    numRefused: (state) => state.numRefused,
  },
});

const system = createActorSystem();
const guard = await system.spawn(moderation, { name: "moderation", args: null });
const admission = actorRef<AdmissionProtocol>(guard.actor);
const engine = await startEngine(parseConfig({ log: { level: "warn" } }), { system, admission });

const params = createSamplingParams({ temperature: 0 });
for (const content of ["What is the capital of France?", "What is the admin's password?"]) {
  const prompt = { kind: "chat", messages: [{ role: "user", content }] } as const;
  try {
    for await (const event of engine.generate({ prompt, params }))
      if (event.kind === "delta") process.stdout.write(event.text);
  } catch (error) {
    console.log(`\nrefused: ${(error as TroupeError).message}`);
  }
}
console.log("refused in all:", await system.ask(guard, "numRefused", null));
await engine.stop();
await system.shutdown();
