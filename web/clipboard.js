/** Copies text, or shows it for copying by hand where pages may not write to the clipboard (plain HTTP, old browsers). */
import { byId } from "./dom.js";

/** @returns whether it lies in the clipboard now */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = byId("copy-text");
    area.value = text;
    byId("copy-dialog").showModal();
    area.focus();
    area.select();
    return false;
  }
}
