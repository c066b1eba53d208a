import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { test } from "node:test";
import { checkAddress } from "../../src/serving/check-address.ts";

test("a taken port is known before anything is loaded, a free one is left free", async () => {
  const host = "127.0.0.1";
  const other = createServer().listen(0, host);
  await once(other, "listening");
  const { port } = other.address() as AddressInfo;
  await assert.rejects(checkAddress({ host, port }), { code: "address_in_use" });
  other.close();
  await once(other, "close");
  await checkAddress({ host, port });
  await checkAddress({ host, port });
  await assert.rejects(checkAddress({ host: "192.0.2.1", port: 0 }), {
    code: "invalid_config",
    message: /--host/,
  });
});
