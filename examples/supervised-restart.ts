/**
 * A tree of actors on threads of their own. One crashes; its supervisor restarts it and the one after it, which depends
 * on it. References and names stay valid, callers see a coded, retryable error and nothing hangs.
 *
 *     npm run -s example examples/supervised-restart.ts
 */
import { isMainThread } from "node:worker_threads";
import { actorRef, createActorSystem, defineActor, TroupeError } from "../src/index.ts"; // in your project: from "troupe"

type CacheProtocol = {
  put: { message: number };
  get: { message: null; reply: number | null };
  crash: { message: null };
};

// A module on a thread is loaded there too: the same file can define the actor and start it.
export default defineActor<CacheProtocol, null, { value: number | null }>({
  init: () => ({ value: null }),
  handlers: {
    put(cache, value) {
      cache.value = value;
    },
    get: (cache) => cache.value,
    crash() {
      throw new RangeError("a bug");
    },
  },
});

if (isMainThread) {
  const system = createActorSystem();
  system.events.on("down", ({ ref, reason }) => console.log(`down: ${ref.actor} (${reason.kind})`));
  system.events.on("restarted", ({ children }) => console.log(`restarted: ${children.join(", ")}`));
  const restarted = new Promise((resolve) => system.events.once("restarted", resolve));
  const common = { host: "thread", module: new URL(import.meta.url), args: null };
  await system.supervise({
    kind: "supervisor",
    name: "storage",
    strategy: "rest-for-one",
    children: [
      { name: "near", ...common },
      { name: "far", ...common },
    ],
  });
  const near = actorRef<CacheProtocol>("near");
  system.tell(near, "put", 42);
  console.log("before:", await system.ask(near, "get", null));
  system.tell(near, "crash", null);
  const lost = await system.ask(near, "get", null).catch((error: TroupeError) => error);
  if (lost instanceof TroupeError) console.log(`meanwhile: ${lost.code}, retryable: ${lost.retryable}`);
  await restarted;
  console.log("after:", await system.ask(near, "get", null));
  await system.shutdown();
}
