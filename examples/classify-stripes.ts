/**
 * A servable with its model, called over REST and over gRPC as clients of MindSpore Serving call theirs.
 *
 *     npm run -s example examples/classify-stripes.ts
 */
import { ServableClient, startServables } from "../src/index.ts"; // in your project: from "troupe"

const running = await startServables({
  servables: [{ module: new URL("./stripes/stripes-servable.ts", import.meta.url) }],
  rest: { address: "127.0.0.1:0" },
  grpc: { address: "127.0.0.1:0" },
});

/** 16 x 16 grey pixels; every fourth line is white. */
function picture(isWhite: (row: number, column: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, i) => (isWhite(i >> 4, i & 15) ? 255 : 0));
}
const rows = picture((row) => row % 4 === 0);
const columns = picture((_row, column) => column % 4 === 0);
const rising = picture((row, column) => (row + column) % 4 === 0);

// REST: bytes travel as base64
const instances = [rows, columns, rising].map((image) => ({
  image: { b64: Buffer.from(image).toString("base64") },
}));
const response = await fetch(`${running.restUrl}/model/stripes:classify_top1`, {
  method: "POST",
  body: JSON.stringify({ instances }),
});
console.log("REST:", await response.text());

// gRPC: bytes are bytes; an instance that cannot be read fails alone
const client = new ServableClient(running.grpcAddress!, "stripes", "classify_top1");
console.log("gRPC:", await client.infer([{ image: rising }, { image: new Uint8Array(3) }, { image: rows }]));

client.close();
await running.stop();
