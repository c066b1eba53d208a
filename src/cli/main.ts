#!/usr/bin/env node
/**
 * The `troupe` command. Everything else is imported after the check of Node's version, so that an older Node says in
 * one line what it needs instead of failing somewhere inside.
 */
import type { CliContext, StopSignal } from "./cli-context.ts";

const NEEDED_MAJOR = 24;

const [major] = process.versions.node.split(".").map(Number);
if (major === undefined || major < NEEDED_MAJOR) {
  console.error(
    `troupe: needs Node.js ${NEEDED_MAJOR} or later, and this is ${process.version} (${process.execPath}). In a checkout, \`npm start\` brings its own.`,
  );
  process.exitCode = 1;
} else {
  await keepCompiledCode();
  const { runCli } = await import("./run-cli.ts");
  process.exitCode = await runCli(await createContext());
}

/** Compiling our own source took half of a warm start. The variable is what worker threads read as they begin. */
async function keepCompiledCode(): Promise<void> {
  const [{ enableCompileCache }, { join }, { defaultCacheDir }] = await Promise.all([
    import("node:module"),
    import("node:path"),
    import("../model/cache-dir.ts"),
  ]);
  process.env.NODE_COMPILE_CACHE ??= join(defaultCacheDir(), "code");
  enableCompileCache(process.env.NODE_COMPILE_CACHE);
}

async function createContext(): Promise<CliContext> {
  const { readVersion } = await import("./version.ts");
  const { createServices } = await import("./real-services.ts");
  const { watchParent } = await import("./parent-watch.ts");
  const { systemClock } = await import("../core/clock.ts");
  const listeners = new Set<(signal: StopSignal) => void>();
  // A reader that went away (`troupe generate ... | head -1`) is a request to stop, not a failure.
  process.stdout.on("error", () => {
    for (const listener of listeners) listener("SIGTERM");
  });
  return {
    args: process.argv.slice(2),
    cwd: process.cwd(),
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    version: readVersion(),
    onSignal(listener) {
      listeners.add(listener);
      process.on("SIGINT", listener).on("SIGTERM", listener);
      const isUnderNpm = process.env.npm_lifecycle_event !== undefined;
      const parentId = (): number => (isUnderNpm ? process.ppid : 0);
      const endWatch = watchParent(systemClock, parentId, () => listener("SIGTERM"));
      return () => {
        endWatch();
        listeners.delete(listener);
        process.off("SIGINT", listener).off("SIGTERM", listener);
      };
    },
    services: createServices(),
  };
}
