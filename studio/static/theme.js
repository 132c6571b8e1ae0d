// Chooses light or dark before anything is painted, and follows the device where the person left it to it.
(() => {
  "use strict";
  const root = document.documentElement;
  const device = window.matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    const choice = root.dataset.theme;
    root.dataset.bsTheme = choice === "auto" ? (device.matches ? "dark" : "light") : choice;
  };
  apply();
  device.addEventListener("change", apply);
  window.studioTheme = (choice) => {
    root.dataset.theme = choice;
    apply();
  };
})();
