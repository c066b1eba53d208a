/** The real services. Each imports its part of Troupe when it is first needed, so `troupe --help` stays quick. */
import type { OnProgress, Services } from "./services.ts";

/** What main.ts gives the commands. */
export function createServices(): Services {
  return {
    async checkAddress(config) {
      const [{ checkAddress, checkServerFiles }, { planListeners }] = await Promise.all([
        import("../serving/check-address.ts"),
        import("../serving/listeners.ts"),
      ]);
      const listeners = planListeners(config);
      checkServerFiles(listeners);
      for (const listener of listeners) await checkAddress(listener.config);
    },
    async startEngine(config, onProgress, { signal, model } = {}) {
      const [{ startEngine }, { createLogger }, { actorLog }, { withRankLogs }] = await Promise.all([
        import("../../actors/engine.ts"),
        import("../serving/logger.ts"),
        import("../serving/actor-log.ts"),
        import("../serving/rank-logs.ts"),
      ]);
      const sink = actorLog(createLogger(config.log));
      const named: typeof sink = (record) => sink({ ...record, fields: { model, ...record.fields } });
      const log = withRankLogs(model === undefined ? sink : named, config.log);
      return await startEngine(config, { log, onProgress: inSteps(onProgress), ...(signal && { signal }) });
    },
    async startServer(models, config, version) {
      const [{ createServer }, { createLogger }, { systemClock }] = await Promise.all([
        import("../serving/create-server.ts"),
        import("../serving/logger.ts"),
        import("../core/clock.ts"),
      ]);
      const logger = createLogger(config.log);
      const server = createServer({
        engine: models,
        config: config.server,
        management: config.management,
        metrics: config.metrics,
        logger,
        version,
        clock: systemClock,
        logsPrompts: config.log.prompts,
      });
      const { url, management, metrics } = await server.listen();
      const { stopRequested } = server;
      return { url, management, metrics, stopRequested, close: (options) => server.close(options) };
    },
    async startServables(options, log) {
      const [{ startServables }, { createLogger }, { actorLog }] = await Promise.all([
        import("../../actors/servables.ts"),
        import("../serving/logger.ts"),
        import("../serving/actor-log.ts"),
      ]);
      return await startServables({ ...options, log: actorLog(createLogger(log)) });
    },
    async compile({ modelDir, precision, cacheDir, place, onProgress, signal }) {
      const [{ compileModel }, { defaultCacheDir }] = await Promise.all([
        import("../model/compile/compile-model.ts"),
        import("../model/cache-dir.ts"),
      ]);
      let wasCompiled = false;
      const { dir, model } = await compileModel({
        modelDir,
        precision,
        cacheDir: cacheDir ?? defaultCacheDir(),
        ...(place && { place }),
        signal,
        onProgress: (progress) => {
          wasCompiled ||= progress.phase === "compiling";
          inSteps(onProgress)(progress);
        },
      });
      return { folder: dir, weightBytes: model.weightBytes, wasCompiled };
    },
    async inspect(modelDir) {
      const { inspectModel } = await import("./inspect-model.ts");
      return await inspectModel(modelDir);
    },
    async exportModel({ onProgress, ...request }) {
      const { exportModel } = await import("../model/export/export-model.ts");
      const { dir, weightBytes } = await exportModel({ ...request, onProgress: inSteps(onProgress) });
      return { folder: dir, weightBytes };
    },
    async writeWeights(request) {
      const { writeWeights } = await import("./write-weights.ts");
      return await writeWeights({ ...request, onProgress: inSteps(request.onProgress) });
    },
    async planStrategy(modelDir, size) {
      const { planStrategy } = await import("../model/convert/split-weights.ts");
      return await planStrategy({ modelDir }, size);
    },
    async isSplit(modelDir) {
      const { findShards } = await import("../model/shards/find-shards.ts");
      return (await findShards(modelDir)) !== null;
    },
  };
}

interface BytesProgress {
  readonly phase: string;
  readonly label: string;
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/** The compiler counts bytes in two phases; the bar runs once for each. */
function inSteps(onProgress: OnProgress): (progress: BytesProgress) => void {
  return ({ phase, label, doneBytes, totalBytes }) => {
    const text = phase === "hashing" ? `reading ${label}` : label;
    onProgress({ done: doneBytes, total: totalBytes, label: text });
  };
}
