/** Connections whose bytes are not HTTP: a short JSON answer where it can still be read, then the end. */
import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { Logger } from "./logger.ts";

const STATUSES: Readonly<Record<string, number>> = {
  ERR_HTTP_REQUEST_TIMEOUT: 408,
  HPE_HEADER_OVERFLOW: 431,
};

/** Ends the connection; `error` is the parser's. */
export function endBadConnection(error: NodeJS.ErrnoException, socket: Socket, logger: Logger): void {
  const { code = "unknown" } = error;
  logger.debug({ code, peer: socket.remoteAddress }, "connection error");
  if (code === "ECONNRESET" || !socket.writable || socket.bytesWritten > 0) {
    socket.destroy();
    return;
  }
  const status = STATUSES[code] ?? 400;
  socket.end(
    toRawResponse(status, `The connection sent no valid HTTP request (${code}).`, "invalid_request"),
  );
}

/** A whole HTTP response with an error object, for sockets that have no response object. */
export function toRawResponse(status: number, message: string, code: string): string {
  const type = status >= 500 ? "server_error" : "invalid_request_error";
  const body = JSON.stringify({ error: { message, type, param: null, code } });
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`;
  const headers = `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close`;
  return `${head}\r\n${headers}\r\n\r\n${body}`;
}
