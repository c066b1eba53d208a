import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { collectGarbage } from "../../src/core/collect-garbage.ts";

test("what nobody holds is gone, what somebody holds stays, and nobody else is given the means", async () => {
  const refOf = (): WeakRef<object> => new WeakRef({ pages: new SharedArrayBuffer(1 << 20) });
  const [lost, held] = [refOf(), refOf()];
  const holder = held.deref();
  // a WeakRef holds its target until the end of the job it was made in
  await setImmediate();
  collectGarbage();
  assert.equal(lost.deref(), undefined);
  assert.equal(held.deref(), holder);
  assert.equal("gc" in globalThis, process.execArgv.includes("--expose-gc"));
});
