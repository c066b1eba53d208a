/** `GET /` and `GET /playground/*`: a page to chat with the model and to watch the engine work. */
import { TroupeError } from "../../errors/troupe-error.ts";
import type { HttpReply, Route } from "../http-exchange.ts";
import { type PlaygroundFile, readPlaygroundFiles } from "../playground-files.ts";
import type { ServingContext } from "../serving-context.ts";

/** Only files of this server run, and they talk to this server alone; nobody may frame the page. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const SECURITY_HEADERS = {
  "content-security-policy": CONTENT_SECURITY_POLICY,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
} as const;

/** The page; asked for anew each time, because it names the files of this version. */
export function pageRoute(_context: ServingContext): Route {
  const { page } = readPlaygroundFiles();
  return {
    method: "GET",
    path: "/",
    isWork: false,
    handle: () => toReply(page, "no-cache"),
  };
}

/** Its files; their address changes with their content. */
export function playgroundFilesRoute(_context: ServingContext): Route {
  const { assets } = readPlaygroundFiles();
  return {
    method: "GET",
    path: "/playground/*",
    isWork: false,
    handle({ rest }) {
      const file = assets.get(rest);
      if (file === undefined)
        throw new TroupeError("not_found", "The playground has no such file; open / again.");
      return toReply(file, "public, max-age=31536000, immutable");
    },
  };
}

function toReply({ contentType, text }: PlaygroundFile, cacheControl: string): HttpReply {
  const headers = { ...SECURITY_HEADERS, "cache-control": cacheControl };
  return { kind: "text", contentType, body: text, headers };
}
