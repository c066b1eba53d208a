/**
 * One worker of a servable: the user's module and its models on a thread of their own. Instances of every message that is
 * there share the runs of a model; a function of the user's that throws fails its own instance.
 */
import { loadServable } from "../src/execution/load-servable.ts";
import type { LoadedModel } from "../src/execution/servable-model.ts";
import { defineActor } from "../src/runtime/actor-definition.ts";
import { Pipeline } from "../src/servables/pipeline.ts";
import type { ServableInfo } from "../src/servables/servable-info.ts";
import type { InstanceResult } from "../src/servables/status.ts";
import { compact } from "../src/servables/tensor.ts";
import type { ServableWorkerArgs, ServableWorkerProtocol } from "./servable-messages.ts";

/** Messages whose instances may meet in one batch; whoever sends keeps to fewer. */
const MAX_MESSAGES = 1024;

interface WorkerState {
  readonly info: ServableInfo;
  readonly pipeline: Pipeline;
  readonly loaded: readonly LoadedModel[];
}

export default defineActor<ServableWorkerProtocol, ServableWorkerArgs, WorkerState>({
  concurrency: MAX_MESSAGES,
  async init(ctx, { module, version, device, threads }) {
    const startMs = performance.now();
    const { info, methods, models, loaded } = await loadServable(module, { version, threads, device });
    const pipeline = new Pipeline({
      methods,
      models,
      yieldTurn: () => new Promise((resolve) => setImmediate(resolve)),
      shouldStop: () => ctx.stopRequested(),
    });
    const loadMs = Math.round(performance.now() - startMs);
    ctx.log("info", "The servable is loaded.", {
      servable: info.name,
      version: info.version,
      device,
      loadMs,
    });
    return { info, pipeline, loaded };
  },
  handlers: {
    describe: ({ info }) => info,
    async predict({ pipeline }, { method, instances }, _ctx, call) {
      const results = await pipeline.predict(method, instances, call.signal);
      return results.map(withoutSlack);
    },
  },
  onStop({ loaded }) {
    for (const model of loaded) model.release();
  },
});

function withoutSlack(result: InstanceResult): InstanceResult {
  return result.kind === "failed" ? result : { kind: "outputs", values: result.values.map(compact) };
}
