/** `/model/{name}[/version/{n}]:{method}`: what a REST request is for. The messages are MindSpore Serving's. */
import { TroupeError } from "../../errors/troupe-error.ts";

/** What an address names. */
export interface RestAddress {
  readonly servable: string;
  /** 0 when it names none. */
  readonly version: number;
  readonly method: string;
}

const MAX_VERSION = 2 ** 32 - 2;

/**
 * The parts may come in either order, as they may there.
 *
 * @param path without the query
 * @throws TroupeError `invalid_request`
 * @example
 * ```ts
 * readRestAddress("/model/resnet50/version/2:classify_top1"); // { servable: "resnet50", version: 2, method: "classify_top1" }
 * ```
 */
export function readRestAddress(path: string): RestAddress {
  const colon = path.indexOf(":");
  const parts = (colon < 0 ? path : path.slice(0, colon)).split("/").map(decode);
  const servable = after(parts, "model");
  if (servable === undefined || servable === "") {
    throw invalid("please check url, the keyword:[model] must contain.");
  }
  const version = after(parts, "version");
  const method = colon < 0 ? "" : decode(path.slice(colon + 1));
  const number = version === undefined ? 0 : readVersion(version);
  if (method === "") throw invalid("please check url, the keyword:[service method] must contain.");
  return { servable, version: number, method };
}

function after(parts: readonly string[], keyword: string): string | undefined {
  const index = parts.indexOf(keyword);
  return index < 0 ? undefined : (parts[index + 1] ?? "");
}

function readVersion(text: string): number {
  const number = Number(text);
  if (!/^-?\d+$/.test(text)) {
    throw invalid(
      `please check url, the keyword:[version] value invalid, request version number ${text.slice(0, 100)}`,
    );
  }
  if (number >= 0 && number <= MAX_VERSION) return number;
  throw invalid(
    `please check url, version number range failed, request version number ${text.slice(0, 100)}`,
  );
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function invalid(message: string): TroupeError {
  return new TroupeError("invalid_request", message);
}
