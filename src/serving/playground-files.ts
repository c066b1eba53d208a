/**
 * The files of the playground (folder web/), read once when the server is made. What is not on the list does not exist,
 * whatever a request's address says. Their address holds a hash of them all, so a browser may keep them for ever.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../config/embedded-model.ts";
import { TroupeError } from "../errors/troupe-error.ts";

/** Every file that is served, and nothing else is. */
const ASSETS = [
  "base.css",
  "chat.css",
  "stage.css",
  "icon.svg",
  "main.js",
  "announcer.js",
  "api-key.js",
  "chat-view.js",
  "clipboard.js",
  "code-samples.js",
  "connection.js",
  "crowd.js",
  "dom.js",
  "kept-conversation.js",
  "message-view.js",
  "page-map.js",
  "sampling.js",
  "stage-feed.js",
  "stage-view.js",
  "step-chart.js",
  "theme.js",
] as const;

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
};

/** A file as it is answered. */
export interface PlaygroundFile {
  readonly contentType: string;
  readonly text: string;
}

/** The page, and its files by their address below `/playground/`. */
export interface PlaygroundFiles {
  readonly page: PlaygroundFile;
  readonly assets: ReadonlyMap<string, PlaygroundFile>;
}

/** @throws TroupeError `file_error` when the installation lacks one. */
export function readPlaygroundFiles(folder = join(packageRoot(), "web")): PlaygroundFiles {
  const texts = ASSETS.map((name) => [name, read(join(folder, name))] as const);
  const hash = createHash("sha256").update(JSON.stringify(texts)).digest("hex").slice(0, 16);
  const page = read(join(folder, "index.html")).replaceAll("./playground/", `./playground/${hash}/`);
  return {
    page: { contentType: "text/html; charset=utf-8", text: page },
    assets: new Map(
      texts.map(([name, text]) => {
        const contentType = CONTENT_TYPES[name.split(".").at(-1)!]!;
        return [`${hash}/${name}`, { contentType, text }];
      }),
    ),
  };
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new TroupeError("file_error", `${path} cannot be read; install this package again.`, { cause });
  }
}
