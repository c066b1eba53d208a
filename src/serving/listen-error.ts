/** Why a server could not listen, in one line that says what to do. */
import { TroupeError } from "../errors/troupe-error.ts";

/** @returns `address_in_use` for a taken port, else `invalid_config`. */
export function toListenError(thrown: unknown, host: string, port: number): TroupeError {
  const { code = "unknown", message } = thrown as NodeJS.ErrnoException;
  const details = { host, port };
  if (code === "EADDRINUSE") {
    const text = `Port ${port} on ${host} is in use by another process. Stop that process or choose another port with --port.`;
    return new TroupeError("address_in_use", text, { cause: thrown, details });
  }
  const reasons: Readonly<Record<string, string>> = {
    EACCES: `this user may not listen on port ${port}; choose one above 1023 with --port`,
    EADDRNOTAVAIL: `no network interface of this machine has the address ${host}; choose another with --host`,
    ENOTFOUND: `the host name ${host} cannot be resolved; choose another with --host`,
  };
  const text = `Cannot listen on ${host}, port ${port}: ${reasons[code] ?? message}.`;
  return new TroupeError("invalid_config", text, { cause: thrown, details });
}
