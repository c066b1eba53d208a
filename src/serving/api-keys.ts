/**
 * The API keys that a server accepts. Only their hashes are kept; a key is compared with all of them in constant time, so
 * that the time of an answer says nothing about how much of a key was right.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import type { ServerConfig } from "../config/config.ts";
import { API_KEY } from "../config/schema.ts";
import { TroupeError } from "../errors/troupe-error.ts";

/** @see ServerConfig.apiKeys */
export class ApiKeys {
  readonly #hashes: readonly Buffer[];

  constructor(keys: readonly string[]) {
    this.#hashes = [...new Set(keys)].map(sha256);
  }

  /** False lets everybody in. */
  get isRequired(): boolean {
    return this.#hashes.length > 0;
  }

  /** The number of the key from 0, in the order of the configuration; -1 when there is no such key. */
  indexOf(key: string): number {
    const hash = sha256(key);
    let found = -1;
    this.#hashes.forEach((each, index) => {
      if (timingSafeEqual(each, hash)) found = index;
    });
    return found;
  }
}

/**
 * The keys of the configuration, then those of its file.
 *
 * @throws TroupeError `file_error` when the file cannot be read, `invalid_config` for a line that is no key or a file
 * without one: a server that was to be guarded must not stand open.
 */
export function readApiKeys({ apiKeys, apiKeyFile }: Pick<ServerConfig, "apiKeys" | "apiKeyFile">): ApiKeys {
  return new ApiKeys([...apiKeys, ...(apiKeyFile === null ? [] : readKeyFile(apiKeyFile))]);
}

function readKeyFile(path: string): string[] {
  const keys: string[] = [];
  for (const [index, line] of readText(path).split("\n").entries()) {
    const key = line.trim();
    if (key === "" || key.startsWith("#")) continue;
    // The line is not shown: it may be a key with a typing error.
    if (!API_KEY.test(key))
      throw new TroupeError(
        "invalid_config",
        `${path}:${index + 1}: a key must be 8 to 512 printable characters without spaces.`,
      );
    keys.push(key);
  }
  if (keys.length === 0)
    throw new TroupeError(
      "invalid_config",
      `${path} holds no API key. Write one a line, or leave out server.apiKeyFile.`,
    );
  return keys;
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new TroupeError("file_error", `server.apiKeyFile: ${(cause as Error).message}.`, { cause });
  }
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
