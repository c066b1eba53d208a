/**
 * `npm run build`: the publishable JavaScript and types in dist/, from src/ and actors/. The layout stays the same
 * (dist/src, dist/actors), so relative paths between modules hold in both.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const SHEBANG = "#!/usr/bin/env node\n";

const root = fileURLToPath(new URL("..", import.meta.url));
const dist = join(root, "dist");
rmSync(dist, { recursive: true, force: true });

const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
const run = spawnSync(process.execPath, [compiler, "-p", "tsconfig.build.json"], {
  cwd: root,
  stdio: "inherit",
});
if (run.status === 0) {
  const { bin } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    bin: Record<string, string>;
  };
  for (const file of Object.values(bin)) {
    const path = join(root, file);
    if (!readFileSync(path, "utf8").startsWith(SHEBANG)) {
      console.error(`${file}: the command must begin with ${SHEBANG.trim()}; add it to its source.`);
      process.exitCode = 1;
    }
    chmodSync(path, 0o755);
  }
} else {
  console.error(`tsc failed (exit ${run.status ?? run.signal}); dist/ is incomplete.`);
  process.exitCode = 1;
}
