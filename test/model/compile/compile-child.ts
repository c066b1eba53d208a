/**
 * Compiles in a process of its own, for tests that kill it or weigh it: `node compile-child.ts MODEL PRECISION CACHE`.
 * Prints "progress" when the first weights are written, and in the end how much memory the compilation added, in bytes.
 */

import { compileModel } from "../../../src/model/compile/compile-model.ts";
import type { Precision } from "../../../src/model/compiled-model.ts";

const [modelDir, precision, cacheDir] = process.argv.slice(2);
const beforeBytes = process.resourceUsage().maxRSS * 1024;
let isAnnounced = false;
await compileModel({
  modelDir: modelDir!,
  precision: precision as Precision,
  cacheDir: cacheDir!,
  onProgress({ phase }) {
    if (phase !== "compiling" || isAnnounced) return;
    isAnnounced = true;
    console.log("progress");
  },
});
console.log(`grown ${process.resourceUsage().maxRSS * 1024 - beforeBytes}`);
