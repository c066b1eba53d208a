/** Makes elements. */

/**
 * @example
 * element("button", { type: "button", onclick: send }, "Send")
 */
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

/** The element of that id. */
export function byId(id) {
  return document.getElementById(id);
}
