/** Connections whose bytes are not HTTP: a short JSON answer where it can still be read, then the end. */
import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { TroupeError } from "../errors/troupe-error.ts";
import { toErrorObject } from "../protocol/openai/error-object.ts";
import { errorHeaders } from "./http-errors.ts";
import type { Logger } from "./logger.ts";

/** Ends the connection; `error` is the parser's. */
export function endBadConnection(error: NodeJS.ErrnoException, socket: Socket, logger: Logger): void {
  const { code = "unknown" } = error;
  logger.debug({ code, peer: socket.remoteAddress }, "connection error");
  if (code === "ECONNRESET" || !socket.writable || socket.bytesWritten > 0) {
    socket.destroy();
    return;
  }
  socket.end(explain(code));
}

function explain(code: string): string {
  if (code === "ERR_HTTP_REQUEST_TIMEOUT")
    return toRawResponse(
      new TroupeError(
        "request_timeout",
        "The request did not arrive in time. Send it faster, or in smaller parts.",
      ),
    );
  const error = new TroupeError("invalid_request", `The connection sent no valid HTTP request (${code}).`);
  return code === "HPE_HEADER_OVERFLOW" ? toRawResponse(error, 431) : toRawResponse(error);
}

/** A whole HTTP response with an error object, for sockets that have no response object. */
export function toRawResponse(error: TroupeError, status: number = error.status): string {
  const body = JSON.stringify({ error: toErrorObject(error) });
  const headers = {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    connection: "close",
    ...errorHeaders(error),
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n${lines.join("")}\r\n${body}`;
}
