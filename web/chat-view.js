/** The conversation: asks, shows the answer as it comes, stops, retries, edits, copies. */
import { copyText } from "./clipboard.js";
import { toCurl, toOpenAi } from "./code-samples.js";
import { byId, element } from "./dom.js";
import { keepConversation, keptConversation } from "./kept-conversation.js";
import { MessageView } from "./message-view.js";

const SUGGESTIONS = ["What is the capital of France?", "What is 17 + 15?", "Tell me a story about a fox."];
const NEAR_END_PX = 80;

export class ChatView {
  #connection;
  #sampling;
  #announcer;
  #base;
  #model = null;
  /** {role, view} in order; answers with what was asked beside the messages before them: {system, fields}. */
  #messages = [];
  /** The answer that runs, as the connection has it; null when none does. */
  #running = null;
  #list = byId("messages");
  #prompt = byId("prompt");
  #scroller = byId("scroller");

  constructor({ connection, sampling, announcer, base }) {
    this.#connection = connection;
    this.#sampling = sampling;
    this.#announcer = announcer;
    this.#base = base;
    this.#setUpComposer();
    byId("clear").onclick = () => this.#clear();
    for (const text of SUGGESTIONS) {
      const button = element("button", { type: "button", textContent: text });
      button.onclick = () => this.#ask(text);
      byId("suggestions").append(button);
    }
    this.#restore();
    addEventListener("pagehide", () => this.#keep());
  }

  /** The name that copied requests use. */
  set model(name) {
    this.#model = name;
  }

  get isRunning() {
    return this.#running !== null;
  }

  #setUpComposer() {
    const composer = byId("composer");
    composer.onsubmit = (event) => {
      event.preventDefault();
      const text = this.#prompt.value;
      if (text.trim() !== "" && this.#ask(text)) this.#prompt.value = "";
    };
    this.#prompt.onkeydown = (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      composer.requestSubmit();
    };
    byId("stop").onclick = () => this.#stop();
    addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.isRunning) this.#stop();
    });
  }

  /** @returns whether it was asked */
  #ask(text) {
    if (this.isRunning || !this.#checkSampling()) return false;
    this.#addUser(text);
    this.#answer();
    return true;
  }

  #checkSampling() {
    if (this.#sampling.read() !== null) return true;
    dispatchEvent(new CustomEvent("show-view", { detail: "sampling" }));
    this.#sampling.focusProblem();
    return false;
  }

  #addUser(text) {
    const view = new MessageView("user", text, [
      ["Edit", () => this.#edit(view)],
      ["Copy", (button) => this.#copy(view.content, button)],
    ]);
    this.#add({ role: "user", view });
  }

  #addAssistant(asked, content = "") {
    const view = new MessageView("assistant", content, [
      ["Retry", () => this.#retry(view)],
      ["Copy", (button) => this.#copy(view.content, button)],
      ["Copy as curl", (button) => this.#copy(toCurl(this.#base, this.#bodyOf(view)), button)],
      ["Copy as openai code", (button) => this.#copy(toOpenAi(this.#base, this.#bodyOf(view)), button)],
    ]);
    this.#add({ role: "assistant", view, asked });
    return view;
  }

  #add(message) {
    this.#messages.push(message);
    this.#list.append(message.view.node);
    byId("welcome").hidden = true;
    this.#toEnd();
  }

  /** What an answer was asked with: the messages before it, and the controls as they stood. */
  #requestOf(view) {
    const at = this.#messages.findIndex((message) => message.view === view);
    const { system, fields } = this.#messages[at].asked;
    const said = this.#messages.slice(0, at).map(({ role, view: { content } }) => ({ role, content }));
    return { messages: system === null ? said : [system, ...said], ...fields };
  }

  #bodyOf(view) {
    return { model: this.#model ?? "default", ...this.#requestOf(view) };
  }

  #keep() {
    const place = this.#running?.place() ?? null;
    const messages = this.#messages.map(({ role, view, asked }) => {
      const { content, state, meta, problem } = view;
      return { role, content, asked, state, meta, problem, place: state === "running" ? place : null };
    });
    keepConversation(messages);
  }

  /** The conversation that this tab had before it was loaded again; an answer that ran goes on. */
  #restore() {
    for (const { role, content, asked, state, meta, problem, place } of keptConversation()) {
      if (role === "user") {
        this.#addUser(content);
        continue;
      }
      const view = this.#addAssistant(asked, content);
      view.state = state;
      view.meta = meta;
      view.problem = problem;
      if (state !== "running") continue;
      if (place !== null) this.#run((handlers) => this.#connection.takeUp(place, handlers), view, null);
      else {
        view.state = "failed";
        view.problem = "The page was loaded again before the server had taken this up. Retry asks again.";
      }
    }
  }

  get #isNearEnd() {
    const { scrollTop, clientHeight, scrollHeight } = this.#scroller;
    return scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
  }

  #toEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  /** The answer to the conversation as it stands. */
  #answer() {
    const asked = { system: this.#sampling.systemMessage, fields: this.#sampling.read() };
    const view = this.#addAssistant(asked);
    view.state = "running";
    const request = this.#requestOf(view);
    this.#run((handlers) => this.#connection.generate(request, handlers), view);
  }

  /**
   * @param start gives the connection the handlers and returns what it makes of them
   * @param startMs null when nobody knows: then there are no figures but the number of tokens, at the end
   */
  #run(start, view, startMs = performance.now()) {
    let firstMs = null;
    let lastMs = 0;
    let numTokens = 0;
    const figures = () => {
      if (firstMs === null || startMs === null) return "";
      const seconds = (lastMs - firstMs) / 1000;
      const rate =
        numTokens > 1 && seconds > 0 ? ` · ${((numTokens - 1) / seconds).toFixed(1)} tokens/s` : "";
      return `${numTokens} ${numTokens === 1 ? "token" : "tokens"}${rate} · first after ${(firstMs - startMs).toFixed(0)} ms`;
    };
    const end = (state, reason) => {
      const isNearEnd = this.#isNearEnd;
      this.#running = null;
      view.state = state;
      view.meta = [figures(), reason].filter((part) => part !== "").join(" · ");
      this.#announcer.flush();
      this.#showRunning();
      if (isNearEnd) this.#toEnd();
      this.#keep();
    };
    this.#running = start({
      onToken: (text, num) => {
        lastMs = performance.now();
        firstMs ??= lastMs;
        numTokens += num;
        // who scrolled up reads there
        const isNearEnd = this.#isNearEnd;
        view.append(text);
        view.meta = figures();
        this.#announcer.add(text);
        if (isNearEnd) this.#toEnd();
      },
      onDone: ({ choices, usage }) => {
        numTokens = usage.completion_tokens;
        const { finish_reason: reason } = choices[0];
        const how = reason === "length" ? "ended by the token limit" : "complete";
        end("done", startMs === null ? `${numTokens} tokens · ${how}` : how);
      },
      onError: ({ code, message }) => {
        if (code !== "cancelled") {
          view.problem = message;
          this.#announcer.say(message);
        }
        end(code === "cancelled" ? "done" : "failed", code === "cancelled" ? "stopped" : "");
      },
      onLost: () => {
        view.problem = "The connection is lost; the answer goes on as soon as it is back.";
        this.#announcer.say("Connection lost");
      },
      onResumed: () => {
        view.problem = null;
        this.#announcer.say("Connected again");
      },
    });
    this.#showRunning();
  }

  #showRunning() {
    const hadFocus = document.activeElement === byId("stop");
    byId("send").hidden = this.isRunning;
    byId("stop").hidden = !this.isRunning;
    byId("clear").disabled = this.isRunning;
    if (hadFocus && !this.isRunning) this.#prompt.focus();
  }

  #stop() {
    this.#running?.cancel();
  }

  #retry(view) {
    if (this.isRunning || !this.#checkSampling()) return;
    this.#cutFrom(view);
    this.#answer();
    this.#prompt.focus();
  }

  async #edit(view) {
    const text = await view.edit();
    if (text === null || this.isRunning || !this.#checkSampling()) return;
    this.#cutFrom(view);
    this.#addUser(text);
    this.#answer();
    this.#prompt.focus();
  }

  /** Takes a message and those after it away. */
  #cutFrom(view) {
    const at = this.#messages.findIndex((message) => message.view === view);
    for (const message of this.#messages.splice(at)) message.view.node.remove();
  }

  #clear() {
    for (const { view } of this.#messages.splice(0)) view.node.remove();
    this.#keep();
    byId("welcome").hidden = false;
    this.#announcer.say("New conversation");
    this.#prompt.focus();
  }

  async #copy(text, button) {
    if (!(await copyText(text))) return;
    const label = button.textContent;
    this.#announcer.say("Copied");
    if (label === "Copied") return;
    button.textContent = "Copied";
    setTimeout(() => {
      button.textContent = label;
    }, 1500);
  }
}
