/** One message of the conversation on the page: its text, its figures, what can be done with it. */
import { element } from "./dom.js";

export class MessageView {
  node;
  #text = element("div", { className: "text" });
  #meta = element("p", { className: "meta", hidden: true });
  #problem = element("p", { className: "problem", hidden: true });
  #actions = element("div", { className: "actions" });
  #content = "";

  /** @param actions [label, what it does] */
  constructor(role, content, actions) {
    const name = role === "user" ? "You" : "Troupe";
    this.node = element(
      "li",
      { className: `message ${role}` },
      element("h3", {}, name),
      this.#text,
      this.#problem,
      this.#meta,
      this.#actions,
    );
    for (const [label, act] of actions) {
      const button = element("button", { type: "button", className: "quiet", textContent: label });
      button.onclick = () => act(button);
      this.#actions.append(button);
    }
    this.append(content);
  }

  get content() {
    return this.#content;
  }

  append(text) {
    this.#content += text;
    this.#text.append(text);
  }

  get state() {
    return this.node.dataset.state;
  }

  get meta() {
    return this.#meta.textContent;
  }

  get problem() {
    return this.#problem.hidden ? null : this.#problem.textContent;
  }

  /** running, done or failed; what can be done with a message waits until it is whole. */
  set state(state) {
    this.node.dataset.state = state;
    this.#text.setAttribute("aria-busy", String(state === "running"));
    this.#actions.hidden = state === "running";
  }

  set meta(text) {
    this.#meta.textContent = text;
    this.#meta.hidden = false;
  }

  /** Null takes it away. */
  set problem(text) {
    this.#problem.textContent = text ?? "";
    this.#problem.hidden = text === null;
  }

  focusAction(label) {
    const button = [...this.#actions.children].find(({ textContent }) => textContent === label);
    button?.focus();
  }

  /** Turns the text into a field; resolves to the new text, or null when nothing shall change. */
  edit() {
    const area = element("textarea", { rows: 3, value: this.#content, "aria-label": "Edit the message" });
    const save = element("button", { type: "submit", className: "primary", textContent: "Send again" });
    const cancel = element("button", { type: "button", textContent: "Cancel" });
    const form = element("form", { className: "edit" }, area, element("div", {}, save, cancel));
    this.#text.hidden = true;
    this.#actions.hidden = true;
    this.#text.after(form);
    area.focus();
    return new Promise((resolve) => {
      const end = (text) => {
        form.remove();
        this.#text.hidden = false;
        this.#actions.hidden = false;
        if (text === null) this.focusAction("Edit");
        resolve(text);
      };
      form.onsubmit = (event) => {
        event.preventDefault();
        if (area.value.trim() !== "") end(area.value);
      };
      cancel.onclick = () => end(null);
      form.onkeydown = (event) => {
        if (event.key === "Escape") end(null);
        if (event.key === "Enter" && !event.shiftKey && event.target === area) {
          event.preventDefault();
          form.requestSubmit();
        }
        event.stopPropagation();
      };
    });
  }
}
