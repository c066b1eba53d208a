/** The sampling form: its fields, what is wrong with them, and the part of a request they make. */
import { byId, element } from "./dom.js";

const number = (name, label, min, max, step) => ({ name, label, min, max, step });
const FIELDS = [
  number("temperature", "Temperature", 0, 2, 0.1),
  number("max_tokens", "Max tokens", 1, 1_000_000, 1),
  number("top_p", "Top p", 0.01, 1, 0.01),
  number("top_k", "Top k", -1, 1_000_000, 1),
  number("min_p", "Min p", 0, 1, 0.01),
  number("seed", "Seed", 0, Number.MAX_SAFE_INTEGER, 1),
  number("repetition_penalty", "Repetition penalty", 0.01, 2, 0.01),
  number("presence_penalty", "Presence penalty", -2, 2, 0.1),
  number("frequency_penalty", "Frequency penalty", -2, 2, 0.1),
];

export class Sampling {
  #inputs = new Map();
  #stop = element("textarea", { id: "field-stop", rows: 2 });
  #system = element("textarea", { id: "field-system", rows: 3 });
  #problem = byId("sampling-problem");

  constructor() {
    const rows = FIELDS.map(({ name, label, min, max, step }) => {
      const input = element("input", { id: `field-${name}`, type: "number", min, max, step });
      input.placeholder = "default";
      input.setAttribute("aria-describedby", "sampling-problem");
      input.oninput = () => this.#check();
      this.#inputs.set(name, input);
      return field(label, input);
    });
    byId("sampling-fields").append(
      ...rows,
      field("Stop strings, one on each line", this.#stop, "wide"),
      field("System message", this.#system, "wide"),
    );
    byId("sampling-form").onsubmit = (event) => event.preventDefault();
    byId("sampling-reset").onclick = () => {
      byId("sampling-form").reset();
      this.#check();
    };
  }

  /** What the form says, in the API's spelling; null after pointing at a field that is wrong. */
  read() {
    const wrong = this.#check();
    if (wrong !== null) return null;
    const fields = {};
    for (const [name, input] of this.#inputs) if (input.value !== "") fields[name] = input.valueAsNumber;
    const stop = this.#stop.value.split("\n").filter((line) => line !== "");
    if (stop.length > 0) fields.stop = stop;
    return fields;
  }

  /** The first message of every conversation, or null. */
  get systemMessage() {
    return this.#system.value.trim() === "" ? null : { role: "system", content: this.#system.value };
  }

  /** Puts the cursor into the first field that is wrong. */
  focusProblem() {
    this.#check()?.focus();
  }

  #check() {
    let first = null;
    for (const { name, label, min, max, step } of FIELDS) {
      const input = this.#inputs.get(name);
      const { badInput, rangeUnderflow, rangeOverflow } = input.validity;
      const isFraction = step === 1 && input.value !== "" && !Number.isInteger(input.valueAsNumber);
      const isWrong = badInput || rangeUnderflow || rangeOverflow || isFraction;
      input.setAttribute("aria-invalid", String(isWrong));
      if (isWrong && first === null) {
        first = input;
        this.#problem.textContent = `${label} is a ${step === 1 ? "whole " : ""}number from ${min} to ${max}.`;
      }
    }
    this.#problem.hidden = first === null;
    return first;
  }
}

function field(label, input, kind = "") {
  return element(
    "div",
    { className: `field ${kind}` },
    element("label", { htmlFor: input.id }, label),
    input,
  );
}
