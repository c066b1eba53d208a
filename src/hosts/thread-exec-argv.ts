/** Node options for a worker. */

const LOADER_OPTION = /^(?:--import|--require|-r|--loader|--experimental-loader|--conditions|-C)(?:=|$)/;

/**
 * A worker takes over its process's options by itself, and that is right except for `--input-type` (a program given
 * with `--eval`): with it a worker refuses to load a file. Then only loaders and conditions are handed on; others cannot
 * be, since options given explicitly must all be valid for a worker.
 *
 * @returns undefined to let the worker take over everything.
 */
export function threadExecArgv(execArgv: readonly string[]): string[] | undefined {
  if (!execArgv.some((option) => option.startsWith("--input-type"))) return undefined;
  const kept: string[] = [];
  for (let i = 0; i < execArgv.length; i++) {
    const option = execArgv[i]!;
    if (!LOADER_OPTION.test(option)) continue;
    kept.push(option);
    if (!option.includes("=") && i + 1 < execArgv.length) kept.push(execArgv[++i]!);
  }
  return kept;
}
