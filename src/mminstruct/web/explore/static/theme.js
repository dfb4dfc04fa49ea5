// Light, dark, or what the system says. A plain script in <head>, so that the page never flashes in the other colours.
// The choice is kept in this browser; shell.js shows the button that changes it.
(() => {
  const kept = () => {
    try {
      return localStorage.getItem("mminstruct-theme") ?? "system";
    } catch {
      return "system"; // storage is switched off
    }
  };
  const show = (theme) => {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
  };
  window.mminstructTheme = {
    kept,
    choose(theme) {
      show(theme);
      try {
        localStorage.setItem("mminstruct-theme", theme);
      } catch {
        // the choice then lasts as long as the page
      }
    },
  };
  show(kept());
})();
