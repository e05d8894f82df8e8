"use strict";
// Before anything is drawn, so that the page never flashes in the other colours.
(() => {
  try {
    const theme = localStorage.getItem("watchdog-theme");
    if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
  } catch {
    // A browser that keeps nothing gets the colours of its system.
  }
})();
