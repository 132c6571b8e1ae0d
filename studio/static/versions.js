// Versions: Ctrl-Shift-S in the editor asks for a note and then saves; j and k go from change to change in a comparison.
(() => {
  "use strict";
  const menu = document.querySelector("[data-version-menu]");
  const button = document.querySelector("[data-save-version]");
  const note = menu && menu.querySelector("input");
  document.addEventListener("keydown", (event) => {
    if (!button || !(event.ctrlKey || event.metaKey) || !event.shiftKey || event.key.toLowerCase() !== "s") return;
    event.preventDefault();
    if (menu.open) return button.form.requestSubmit(button);
    menu.open = true;
    note.focus();
  });
  // The Enter key presses a form's first button, which saves without keeping a version.
  if (note) note.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault();
    button.form.requestSubmit(button);
  });
  if (menu) menu.addEventListener("toggle", () => menu.open && note.focus());

  const changes = [...document.querySelectorAll("[data-change]")];
  document.addEventListener("keydown", (event) => {
    if (!changes.length || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if ((event.key !== "j" && event.key !== "k") || event.target.closest("input, textarea, select, dialog[open]")) return;
    event.preventDefault();
    const here = changes.findLastIndex((change) => change.contains(document.activeElement));
    const next = changes[Math.min(changes.length - 1, Math.max(0, here < 0 ? 0 : here + (event.key === "j" ? 1 : -1)))];
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "start" });
  });
})();
