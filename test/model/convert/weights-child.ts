/**
 * Converts, splits or merges in a process of its own, for tests that kill it or weigh it:
 * `node weights-child.ts w8|split|merge MODEL OUTPUT CACHE`. Prints "progress" when the first weights are written, and in
 * the end how much memory the job added, in bytes.
 */
import type { CompileProgress } from "../../../src/model/compile/progress.ts";
import { convertWeights } from "../../../src/model/convert/convert-weights.ts";
import { mergeWeights } from "../../../src/model/convert/merge-weights.ts";
import { splitWeights } from "../../../src/model/convert/split-weights.ts";

const [job, modelDir, outputDir, cacheDir] = process.argv.slice(2);
// Sampled: the largest size that the system remembers may be that of the process this one was forked from.
const beforeBytes = process.memoryUsage.rss();
let peakBytes = beforeBytes;
let isAnnounced = false;
const options = {
  modelDir: modelDir!,
  outputDir: outputDir!,
  cacheDir: cacheDir!,
  onProgress({ phase }: CompileProgress) {
    peakBytes = Math.max(peakBytes, process.memoryUsage.rss());
    if (phase !== "converting" || isAnnounced) return;
    isAnnounced = true;
    console.log("progress");
  },
};
if (job === "split") await splitWeights({ ...options, strategy: { size: 4 } });
else if (job === "merge") await mergeWeights(options);
else await convertWeights({ ...options, precision: "w8" });
console.log(`grown ${peakBytes - beforeBytes}`);
