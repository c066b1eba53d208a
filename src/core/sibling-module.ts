/**
 * Names a module beside the caller's own, with the extension the caller runs under: `.ts` in a checkout, `.js` as
 * published. tsc rewrites extensions in import statements, but not in URLs for workers.
 *
 * @example
 * ```ts
 * new Worker(siblingModule(import.meta.url, "./node-entry"));
 * ```
 */
export function siblingModule(callerUrl: string, pathWithoutExtension: string): URL {
  const extension = callerUrl.endsWith(".ts") ? ".ts" : ".js";
  return new URL(`${pathWithoutExtension}${extension}`, callerUrl);
}
