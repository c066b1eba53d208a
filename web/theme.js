/** Light, dark, or as the system has it; remembered where the browser allows. */
const KEY = "troupe-theme";
const NEXT = { system: "light", light: "dark", dark: "system" };

/** @param onChange called when colours may have changed */
export function setUpTheme(button, onChange) {
  let theme = read();
  const show = () => {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.textContent = `Theme: ${theme}`;
    onChange();
  };
  button.onclick = () => {
    theme = NEXT[theme];
    write(theme);
    show();
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", onChange);
  show();
}

function read() {
  try {
    const theme = localStorage.getItem(KEY);
    return theme !== null && theme in NEXT ? theme : "system";
  } catch {
    return "system";
  }
}

function write(theme) {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // a browser without storage: the choice lasts as long as the page
  }
}
