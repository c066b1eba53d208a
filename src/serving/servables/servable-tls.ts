/** TLS of the servables' two servers, as MindSpore Serving's SSLConfig has it. */
import type { TlsOptions } from "node:tls";
import { TroupeError } from "../../errors/troupe-error.ts";
import { readTlsFiles } from "../tls-files.ts";

/**
 * PEM files.
 *
 * @example
 * ```ts
 * const tls: ServableTls = { certificate: "server.pem", privateKey: "server.key" };
 * ```
 */
export interface ServableTls {
  readonly certificate: string;
  readonly privateKey: string;
  /** Authorities whose client certificates are accepted; read with `verifyClient` alone. */
  readonly customCa?: string | undefined;
  /** Whether a client without an accepted certificate is turned away; default false. */
  readonly verifyClient?: boolean;
}

/**
 * @param server `rest` or `grpc`, for messages
 * @throws TroupeError `file_error`, `invalid_config`
 */
export function readServableTls(
  { certificate, privateKey, customCa, verifyClient = false }: ServableTls,
  server: string,
): TlsOptions | null {
  if (verifyClient && customCa === undefined) {
    const text = `${server}: verifyClient needs customCa, the authorities whose client certificates are accepted.`;
    throw new TroupeError("invalid_config", text);
  }
  const files = {
    tlsCertificate: certificate,
    tlsKey: privateKey,
    tlsClientCa: verifyClient ? (customCa ?? null) : null,
    tlsRequireClientCertificate: verifyClient,
  };
  return readTlsFiles(files, server);
}
