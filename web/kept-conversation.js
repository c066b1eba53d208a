/** The conversation across reloads of the page: kept for this tab, where the browser allows, until it is closed. */
const KEY = "troupe-conversation";

/** @param messages {role, content, asked, state, meta, problem, place}, plain data */
export function keepConversation(messages) {
  try {
    if (messages.length === 0) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, JSON.stringify(messages));
  } catch {
    // a browser without storage, or too much for it: the conversation lasts as long as the page
  }
}

/** What was kept; empty when there is nothing, or nothing that this page wrote. */
export function keptConversation() {
  try {
    const messages = JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
    return messages.every(isMessage) ? messages : [];
  } catch {
    return [];
  }
}

function isMessage({ role, content, asked }) {
  return typeof content === "string" && (role === "user" || typeof asked?.fields === "object");
}
