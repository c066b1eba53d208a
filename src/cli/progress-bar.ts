/** The adapter of cli-progress: a bar on a terminal, a few plain lines elsewhere. */
import { Presets, SingleBar } from "cli-progress";
import type { Output } from "./cli-context.ts";
import type { OnProgress, Progress } from "./services.ts";

/** Shows work that may turn out to be no work at all: nothing is drawn before the first step. */
export interface ProgressDisplay {
  readonly onProgress: OnProgress;
  /** Ends the bar's line; idempotent. */
  stop(): void;
}

const LINE_EVERY_PERCENT = 25;

/** @param title what is being done: `Compiling understudy`. */
export function showProgress(output: Output, title: string): ProgressDisplay {
  return output.isTTY ? barOn(output, title) : linesOn(output, title);
}

function barOn(output: Output, title: string): ProgressDisplay {
  const bar = new SingleBar(
    {
      stream: output,
      format: `${title} [{bar}] {percentage}% {label}`,
      barsize: 30,
      gracefulExit: false,
      linewrap: true,
    },
    Presets.legacy,
  );
  let isStarted = false;
  const onProgress = ({ done, total, label }: Progress): void => {
    if (!isStarted) bar.start(total, done, { label });
    isStarted = true;
    bar.setTotal(total);
    bar.update(done, { label });
  };
  return {
    onProgress,
    stop: () => {
      if (isStarted) bar.stop();
      isStarted = false;
    },
  };
}

function linesOn(output: Output, title: string): ProgressDisplay {
  let lastPercent = 0;
  let nextPercent = 0;
  const onProgress = ({ done, total, label }: Progress): void => {
    const percent = total === 0 ? 100 : Math.floor((done / total) * 100);
    // Work of several phases begins anew with each.
    if (percent < lastPercent) nextPercent = 0;
    lastPercent = percent;
    if (percent < nextPercent) return;
    nextPercent = percent - (percent % LINE_EVERY_PERCENT) + LINE_EVERY_PERCENT;
    output.write(`${title}: ${percent}% ${label}\n`);
  };
  return { onProgress, stop: () => undefined };
}
