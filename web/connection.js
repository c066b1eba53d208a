/**
 * One WebSocket to /v1/stream for everything the page asks: opened at once, opened again when it drops. Requests that
 * ran when it dropped are taken up after the last message they had; see docs/websocket.md for the messages.
 */
const FIRST_DELAY_MS = 250;
const MAX_DELAY_MS = 5_000;
const IDLE_REASON = /^nothing happened/;

export class Connection {
  #url;
  #onState;
  #key = null;
  #socket = null;
  #delayMs = FIRST_DELAY_MS;
  #timer = null;
  #numRequests = 0;
  /** Requests in flight by id: {handlers, stream, after, wasSent, isCancelled, isLost, wasLost}. */
  #running = new Map();
  #isWanted = false;
  #model = null;
  /** Messages that wait for the socket to open. */
  #unsent = [];

  /** @param onState called with `connecting`, `open`, `idle` or `lost` */
  constructor(url, onState) {
    this.#url = url;
    this.#onState = onState;
    addEventListener("online", () => this.#reopen());
  }

  /** Whom everything is asked from now on; null is the server's default. */
  set model(name) {
    this.#model = name;
  }

  /** @param key an API key, or null */
  open(key) {
    this.#key = key;
    this.#isWanted = true;
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#connect("connecting");
  }

  /**
   * @param fields a `generate` message without type and id
   * @param handlers onToken(text, numTokens), onDone(message), onError(error); onLost() and onResumed() in between
   * @returns {cancel(), place()}: the place says where to take it up after a reload, null before the server has it
   */
  generate(fields, handlers) {
    const id = this.#run({ handlers, stream: null, after: null, wasSent: false, isLost: false });
    this.#send({
      type: "generate",
      id,
      model: this.#model,
      return_token_ids: true,
      resumable: true,
      ...fields,
    });
    return this.#requestOf(id);
  }

  /** Takes a request up where another page was with it, as soon as the socket is open. */
  takeUp({ stream, after }, handlers) {
    return this.#requestOf(this.#run({ handlers, stream, after, wasSent: true, isLost: true }));
  }

  #run(request) {
    const id = `playground-${++this.#numRequests}`;
    this.#running.set(id, { isCancelled: false, wasLost: request.isLost, ...request });
    return id;
  }

  #requestOf(id) {
    const place = () => {
      const { stream, after } = this.#running.get(id) ?? { stream: null };
      return stream === null ? null : { stream, after };
    };
    return { cancel: () => this.#cancel(id), place };
  }

  #cancel(id) {
    const running = this.#running.get(id);
    if (running === undefined) return;
    running.isCancelled = true;
    // on a connection that is lost, or about to be, it is said again with the resume
    if (running.wasSent && !running.isLost) this.#send({ type: "cancel", id });
    else if (running.isLost) this.#reopen();
    else {
      this.#unsent = this.#unsent.filter((message) => message.id !== id);
      this.#running.delete(id);
      running.handlers.onError({ code: "cancelled", message: "Cancelled before it was sent." });
    }
  }

  #send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#sendNow(message);
    else {
      this.#unsent.push(message);
      this.#reopen();
    }
  }

  #sendNow(message) {
    const running = this.#running.get(message.id);
    if (running !== undefined) running.wasSent = true;
    this.#socket.send(JSON.stringify(message));
  }

  /** Does not wait any longer. */
  #reopen() {
    if (!this.#isWanted || (this.#timer === null && this.#socket !== null)) return;
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#connect("lost");
  }

  #connect(state) {
    this.#onState(state);
    // a browser can send no header here
    const protocols = this.#key === null ? [] : ["troupe", `openai-insecure-api-key.${this.#key}`];
    const socket = new WebSocket(this.#url, protocols);
    this.#socket = socket;
    socket.onopen = () => {
      this.#delayMs = FIRST_DELAY_MS;
      this.#onState("open");
      for (const id of this.#running.keys()) this.#resume(id);
      for (const message of this.#unsent.splice(0)) this.#sendNow(message);
    };
    socket.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    socket.onclose = ({ reason }) => {
      if (socket === this.#socket) this.#dropped(reason);
    };
  }

  #resume(id) {
    const running = this.#running.get(id);
    const { stream, after, handlers } = running;
    if (!running.isLost) return;
    this.#sendNow({ type: "resume", id, stream, ...(after !== null && { after }) });
    if (running.isCancelled) this.#sendNow({ type: "cancel", id });
    running.isLost = false;
    handlers.onResumed?.();
  }

  #receive(message) {
    const running = this.#running.get(message.id);
    if (running === undefined) return;
    const { handlers } = running;
    if (message.seq !== undefined) running.after = message.seq;
    if (message.type === "started") running.stream = message.stream;
    else if (message.type === "token") handlers.onToken(message.text, message.token_ids?.length ?? 1);
    else {
      this.#running.delete(message.id);
      if (message.type === "done") handlers.onDone(message);
      else handlers.onError(running.wasLost ? explain(message.error) : message.error);
    }
  }

  #dropped(reason) {
    this.#socket = null;
    if (IDLE_REASON.test(reason) && this.#running.size === 0) {
      this.#onState("idle");
      return;
    }
    this.#onState("lost");
    for (const [id, running] of this.#running) {
      if (running.stream !== null) {
        if (!running.isLost) running.handlers.onLost?.();
        running.isLost = true;
        running.wasLost = true;
      } else if (running.wasSent) {
        this.#running.delete(id);
        running.handlers.onError({
          code: "connection_lost",
          message: "The connection was lost before the server had taken this up. Retry asks again.",
        });
      }
    }
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#connect("lost");
    }, this.#delayMs);
    this.#delayMs = Math.min(this.#delayMs * 2, MAX_DELAY_MS);
  }
}

/** What the refusal of a `resume` means to a reader. */
function explain(error) {
  if (error.code !== "not_found") return error;
  const message =
    "The connection was lost, and when it was back the server no longer had this answer. Retry asks again.";
  return { ...error, message };
}
