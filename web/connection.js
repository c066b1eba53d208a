/**
 * One WebSocket to /v1/stream for everything the page asks: opened at once, opened again when it drops. Requests that
 * ran when it dropped are told; see docs/websocket.md for the messages.
 */
const FIRST_DELAY_MS = 250;
const MAX_DELAY_MS = 5_000;

export class Connection {
  #url;
  #onState;
  #socket = null;
  #delayMs = FIRST_DELAY_MS;
  #timer = null;
  #numRequests = 0;
  /** Requests in flight by id. */
  #running = new Map();
  /** Messages that wait for the socket to open. */
  #unsent = [];

  /** @param onState called with `connecting`, `open` or `lost` */
  constructor(url, onState) {
    this.#url = url;
    this.#onState = onState;
    addEventListener("online", () => this.#reopen());
    this.#open("connecting");
  }

  /**
   * @param fields a `generate` message without type and id
   * @param handlers onToken(text, numTokens), onDone(message), onError(error)
   * @returns what cancels it
   */
  generate(fields, handlers) {
    const id = `playground-${++this.#numRequests}`;
    this.#running.set(id, handlers);
    this.#send({ type: "generate", id, return_token_ids: true, ...fields });
    return () => this.#send({ type: "cancel", id });
  }

  #send(message) {
    const text = JSON.stringify(message);
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(text);
    else {
      this.#unsent.push(text);
      this.#reopen();
    }
  }

  #reopen() {
    if (this.#timer === null) return;
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#open("lost");
  }

  #open(state) {
    this.#onState(state);
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    socket.onopen = () => {
      this.#delayMs = FIRST_DELAY_MS;
      this.#onState("open");
      for (const text of this.#unsent.splice(0)) socket.send(text);
    };
    socket.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    socket.onclose = () => this.#dropped();
  }

  #receive(message) {
    const handlers = this.#running.get(message.id);
    if (handlers === undefined) return;
    if (message.type === "token") handlers.onToken(message.text, message.token_ids?.length ?? 1);
    else {
      this.#running.delete(message.id);
      if (message.type === "done") handlers.onDone(message);
      else handlers.onError(message.error);
    }
  }

  #dropped() {
    this.#onState("lost");
    const lost = [...this.#running.values()];
    this.#running.clear();
    this.#unsent = [];
    for (const { onError } of lost)
      onError({
        code: "connection_lost",
        message: "The connection was lost, and this answer with it. Retry asks again.",
      });
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#open("lost");
    }, this.#delayMs);
    this.#delayMs = Math.min(this.#delayMs * 2, MAX_DELAY_MS);
  }
}
