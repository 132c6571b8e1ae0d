// The grid of a lorebook by keyboard, what is chosen in it, and which fields an act needs. All of it works without.
(() => {
  "use strict";
  const grid = document.querySelector("[data-lore-grid]");
  if (!grid) return;
  const form = grid.closest("form");
  const rows = () => [...grid.querySelectorAll(".lore-row")];
  const boxes = () => [...grid.querySelectorAll("input[name=entry]")];
  const told = form.querySelector("[data-lore-chosen]");
  const every = grid.querySelector("[data-lore-all]");
  const tell = () => {
    const chosen = boxes().filter((box) => box.checked).length;
    if (told) told.textContent = told.dataset.words.replace("#", String(chosen));
    // "All that match" chooses, too; without either there is nothing to do.
    const isNothing = !chosen && !form.querySelector("[name=all]")?.checked;
    form.querySelectorAll("[data-lore-apply]").forEach((button) => { button.disabled = isNothing; });
    if (every) {
      every.checked = chosen > 0 && chosen === boxes().length;
      every.indeterminate = chosen > 0 && !every.checked;
    }
  };
  if (every) {
    every.hidden = false;
    every.addEventListener("change", () => {
      boxes().forEach((box) => { box.checked = every.checked; });
      tell();
    });
  }
  // Shift chooses all between two.
  let last = null;
  grid.addEventListener("click", (event) => {
    const box = event.target.closest("input[name=entry]");
    if (!box) return;
    const all = boxes();
    if (event.shiftKey && last) {
      const [from, to] = [all.indexOf(last), all.indexOf(box)].sort((a, b) => a - b);
      if (from >= 0) all.slice(from, to + 1).forEach((one) => { one.checked = box.checked; });
    }
    last = box;
    tell();
  });
  form.addEventListener("change", tell);

  const act = form.querySelector("[data-lore-act]");
  const fit = () => form.querySelectorAll("[data-for]").forEach((field) => {
    field.hidden = !field.dataset.for.split(" ").includes(act.value);
  });
  if (act) {
    act.addEventListener("change", fit);
    fit();
  }

  // What htmx swaps may have been chosen, and may be where the keys are.
  let kept = null;
  document.addEventListener("htmx:beforeSwap", (event) => {
    const row = event.detail.target.closest?.(".lore-row");
    kept = row && { id: row.id, checked: row.querySelector("input[name=entry]")?.checked, at: row.classList.contains("is-at"), label: document.activeElement?.closest("td")?.cellIndex };
  });
  document.addEventListener("htmx:afterSettle", () => {
    if (!kept) return tell();
    const row = document.getElementById(kept.id);
    const box = row?.querySelector("input[name=entry]");
    if (box) box.checked = kept.checked;
    row?.classList.toggle("is-at", kept.at);
    if (kept.label >= 0) row?.cells[kept.label]?.querySelector("button")?.focus();
    kept = null;
    tell();
  });

  const at = () => rows().findIndex((row) => row.classList.contains("is-at"));
  const go = (place) => {
    const all = rows();
    const row = all[Math.max(0, Math.min(place, all.length - 1))];
    all.forEach((one) => one.classList.toggle("is-at", one === row));
    row?.scrollIntoView({ block: "nearest" });
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input:not([type=checkbox]), textarea, select, button, a") || document.querySelector("dialog[open]")) return;
    const row = rows()[at()];
    if (event.key === "j") go(at() + 1);
    else if (event.key === "k") go(at() < 0 ? 0 : at() - 1);
    else if (event.key === "x" && row) row.querySelector("input[name=entry]")?.click();
    else if (event.key === "e" && row) row.querySelector("a.row-link")?.click();
    else return;
    event.preventDefault();
  });
  tell();
})();
