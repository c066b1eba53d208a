/** Asks for an API key where the server wants one; kept for this tab where the browser allows. */
import { byId } from "./dom.js";

const KEY = "troupe-key";
/** What a WebSocket's subprotocol may consist of. */
const ALLOWED = /^[\w!#$%&'*+.^`|~-]+$/;

/**
 * @param base address of the server
 * @param onModels called with the key (or null) and the list of models, as soon as the server gives it
 */
export async function setUpApiKey(base, onModels) {
  const form = byId("key-form");
  const problem = byId("key-problem");
  const attempt = async (key) => {
    const headers = key === null ? {} : { authorization: `Bearer ${key}` };
    const response = await fetch(new URL("v1/models", base), { headers }).catch(() => null);
    if (response?.status === 401) return false;
    if (response?.ok === true) onModels(key, (await response.json()).data);
    else setTimeout(() => attempt(key), 2_000);
    return true;
  };
  form.onsubmit = async (event) => {
    event.preventDefault();
    const key = byId("key").value.trim();
    problem.hidden = false;
    problem.textContent = "";
    if (!ALLOWED.test(key)) problem.textContent = "A browser cannot send that key over a WebSocket.";
    else if (!(await attempt(key))) problem.textContent = "The server does not take that key.";
    else {
      remember(key);
      form.hidden = true;
      byId("prompt").focus();
    }
  };
  if (await attempt(remembered())) return;
  form.hidden = false;
  byId("connection").textContent = "Waiting for an API key";
  byId("key").focus();
}

function remembered() {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null;
  }
}

function remember(key) {
  try {
    sessionStorage.setItem(KEY, key);
  } catch {
    // a browser without storage asks again next time
  }
}
