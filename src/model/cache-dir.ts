/** Where compiled models are kept when the configuration does not say. */
import { homedir } from "node:os";
import { join } from "node:path";

/** The part of the environment that decides. */
export interface CacheEnvironment {
  readonly XDG_CACHE_HOME?: string | undefined;
  readonly LOCALAPPDATA?: string | undefined;
}

/** The user's cache folder for Troupe: XDG_CACHE_HOME or LOCALAPPDATA when set, else ~/.cache. */
export function defaultCacheDir(
  environment: CacheEnvironment = process.env,
  home: string = homedir(),
): string {
  const base = environment.XDG_CACHE_HOME || environment.LOCALAPPDATA || join(home, ".cache");
  return join(base, "troupe");
}
