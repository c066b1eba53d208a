/** Reads the certificate files that the configuration names. */
import { readFileSync } from "node:fs";
import type { SecureContextOptions, TlsOptions } from "node:tls";
import { createSecureContext } from "node:tls";
import type { TlsConfig } from "../config/config.ts";
import { TroupeError } from "../errors/troupe-error.ts";

/**
 * What node:https needs; null when the server is to speak plain HTTP.
 *
 * @param section of the configuration, for messages
 * @throws TroupeError `file_error` for a file that cannot be read; `invalid_config` when certificate and key are not PEM or
 * do not belong together.
 */
export function readTlsFiles(config: TlsConfig, section = "server"): TlsOptions | null {
  const { tlsCertificate, tlsKey, tlsClientCa, tlsRequireClientCertificate } = config;
  if (tlsCertificate === null || tlsKey === null) return null;
  const secrets: SecureContextOptions = {
    cert: readPem(`${section}.tlsCertificate`, tlsCertificate),
    key: readPem(`${section}.tlsKey`, tlsKey),
    ...(tlsClientCa !== null && { ca: readPem(`${section}.tlsClientCa`, tlsClientCa) }),
    minVersion: "TLSv1.2",
  };
  try {
    createSecureContext(secrets);
  } catch (cause) {
    const text = `The files of ${section}.tlsCertificate (${tlsCertificate}) and ${section}.tlsKey (${tlsKey}) cannot be used: ${(cause as Error).message}. Both must be PEM, the key without a passphrase and the certificate's own.`;
    throw new TroupeError("invalid_config", text, { cause });
  }
  return { ...secrets, requestCert: tlsClientCa !== null, rejectUnauthorized: tlsRequireClientCertificate };
}

/** @param key what names the file, for messages @throws TroupeError `file_error` */
export function readPem(key: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new TroupeError("file_error", `${key}: ${(cause as Error).message}.`, { cause });
  }
}
