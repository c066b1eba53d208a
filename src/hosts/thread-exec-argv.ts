/** Node options that a worker takes over from its process. */

/** Options whose next argument belongs to them. */
const WITH_VALUE = new Set(["-e", "--eval", "-p", "--print", "-pe"]);

/**
 * Leaves out the options that say what the main thread runs (`--eval`, `--input-type`): they would make the worker run
 * that instead of its entry, or refuse it. Loaders and V8 flags stay.
 */
export function threadExecArgv(execArgv: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i < execArgv.length; i++) {
    const option = execArgv[i]!;
    if (WITH_VALUE.has(option)) i++;
    else if (!/^--(?:eval|print|input-type|test)\b/.test(option)) kept.push(option);
  }
  return kept;
}
