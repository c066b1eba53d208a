/**
 * The least that computing a step with our graphs can take: the same sessions run in the same order over the same pages,
 * and nothing else. No keys are written, nothing is planned, nobody waits for messages.
 */
import { runSegment } from "../src/execution/dense-chain.ts";
import { LatestResults } from "../src/execution/latest-results.ts";
import type { Session } from "../src/execution/onnx-runtime.ts";
import { StackFeeds } from "../src/execution/stack-feeds.ts";
import { loadStacks, stackThreads } from "../src/execution/stack-model.ts";
import { allRows } from "../src/execution/step-rows.ts";
import type { KvDtype } from "../src/kv/forms/kv-form.ts";
import { createKvMemory } from "../src/kv/kv-memory.ts";
import type { CompileResult } from "../src/model/compile/compile-model.ts";
import { median } from "./report.ts";
import { batchOf, PAGE_SIZE } from "./step-batch.ts";

/** What to run, and with how much. */
export interface BareLoopOptions {
  readonly compiled: CompileResult;
  readonly kvDtype: KvDtype;
  readonly numThreads: number;
  /** The most streams times context that will be measured. */
  readonly maxContextTokens: number;
}

/** A loaded model of one stack. */
export class BareLoop {
  readonly #feeds: StackFeeds;
  readonly #stacks: readonly Session[];
  readonly #numPages: number;

  constructor({ compiled, kvDtype, numThreads, maxContextTokens }: BareLoopOptions) {
    const { model, dir } = compiled;
    this.#numPages = Math.ceil(maxContextTokens / PAGE_SIZE);
    const kv = createKvMemory({ ...model, kvDtype, pageSize: PAGE_SIZE, numPages: this.#numPages });
    const options = { model, kv, numThreads: stackThreads({ model, numThreads }) };
    this.#feeds = new StackFeeds({ ...options, maxModelLen: model.maxPositions });
    this.#stacks = loadStacks({ ...options, compiledDir: dir });
  }

  /** Milliseconds of a decode step: the median of so many. */
  decodeMs(numStreams: number, contextLen: number, numSteps: number): number {
    const sequences = Array.from({ length: numStreams }, () => [contextLen, 1] as const);
    const batch = batchOf(sequences, this.#numPages);
    const { feeds } = this.#feeds.of(batch, allRows(batch, null));
    const latest = new LatestResults();
    const step = (): void => {
      let handed = {};
      for (const stack of this.#stacks) {
        const results = latest.hold(runSegment(stack, { ...feeds, ...handed }, stack.outputNames));
        handed = { sum: results.sumOut, normed: results.normedOut };
      }
    };
    step();
    return median(
      Array.from({ length: numSteps }, () => {
        const startMs = performance.now();
        step();
        return performance.now() - startMs;
      }),
    );
  }

  release(): void {
    for (const stack of this.#stacks) stack.release();
  }
}
