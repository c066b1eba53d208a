import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";

const run = promisify(execFile);
const url = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);

const PROGRAM = `
  import { createActorSystem } from ${url("../../src/hosts/create-actor-system.ts")};
  import { newLatch, untilOpen } from ${url("../runtime/latch.ts")};
  const system = createActorSystem();
  const probe = new URL(${url("../runtime/actors/probe-actor.ts")});
  const refs = [];
  for (const host of ["inline", "thread", "thread"]) refs.push(await system.spawn(probe, { host, args: {} }));
  for (const ref of refs) await system.ask(ref, "setTimer", { delayMs: 60000, every: true });
  console.log(await system.ask(refs[2], "sumOther", { of: refs[0], to: 10 }));
  const [entered, closed] = [newLatch(), newLatch()];
  const stream = system.stream(refs[1], "waitForever", { entered, closed })[Symbol.asyncIterator]();
  stream.next().catch((error) => console.log(error.code));
  await untilOpen(entered);
  await system.shutdown();
  console.log("down");
`;

test("after shutdown no handle is left: the process ends by itself", async () => {
  const { stdout, stderr } = await run(process.execPath, ["--input-type=module", "-e", PROGRAM], {
    timeout: 20_000,
  });
  assert.equal(stdout, "45\nsystem_stopped\ndown\n");
  assert.equal(stderr, "");
});
