/**
 * The client of bench/edge.ts, in a process of its own: opens streams, reads them as fast as they come without looking
 * inside, and says when all have ended.
 */
import { once } from "node:events";
import { connect } from "node:net";
import { WebSocket } from "ws";

/** What the client is told to do. */
export interface ClientTask {
  readonly port: number;
  readonly path: string;
  /** A WebSocket for each stream instead of a POST. */
  readonly isSocket: boolean;
  readonly body: object;
  /** What the end of a stream contains, and nothing before it. */
  readonly end: string;
  readonly numStreams: number;
}

async function readSse({ port, path, body, end }: ClientTask): Promise<void> {
  const json = JSON.stringify(body);
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(json)}`;
  socket.write(`${head}\r\n\r\n${json}`);
  let tail = "";
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    const text = tail + chunk.toString("latin1");
    if (text.includes(end)) break;
    tail = text.slice(-end.length);
  }
  socket.destroy();
}

async function readSocket({ port, path, body, end }: ClientTask): Promise<void> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`);
  await once(socket, "open");
  socket.send(JSON.stringify(body));
  await new Promise<void>((resolve) => {
    socket.on("message", (data: Buffer) => {
      if (data.includes(end)) resolve();
    });
  });
  socket.terminate();
}

process.on("message", (task: ClientTask) => {
  const read = task.isSocket ? readSocket : readSse;
  void Promise.all(Array.from({ length: task.numStreams }, () => read(task))).then(() =>
    process.send?.("done"),
  );
});
