const KEY = "theme";
const NEXT = { auto: "light", light: "dark", dark: "auto" };

/** Shows and switches the theme: the system's, light or dark. */
export function themeButton(button, changed) {
  function apply(theme) {
    document.documentElement.dataset.theme = theme;
    button.textContent = `Theme: ${theme}`;
  }

  let theme = remembered();
  apply(theme);
  button.addEventListener("click", () => {
    theme = NEXT[theme];
    apply(theme);
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // Without storage, the choice lasts until the page is closed.
    }
    changed();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
}

function remembered() {
  try {
    const theme = localStorage.getItem(KEY);
    return theme in NEXT ? theme : "auto";
  } catch {
    return "auto";
  }
}
