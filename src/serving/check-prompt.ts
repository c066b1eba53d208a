/** What a prompt may bring along is the operator's to say. */
import type { ServerConfig } from "../config/config.ts";
import { TroupeError } from "../errors/troupe-error.ts";
import type { Prompt } from "../protocol/engine.ts";

/**
 * A chat template is code: it can keep a thread of the tokenizer busy for as long as it likes.
 *
 * @throws TroupeError `unsupported` for a template in a request, unless the server takes them.
 */
export function checkPrompt(limits: Pick<ServerConfig, "allowRequestTemplates">, prompt: Prompt): void {
  if (prompt.kind !== "chat" || prompt.template === undefined || limits.allowRequestTemplates) return;
  const text =
    '"chat_template": this server takes no templates from requests, because they are code that runs on it. Leave the field out, or start the server with server.allowRequestTemplates: true.';
  throw new TroupeError("unsupported", text, { details: { param: "chat_template" } });
}
