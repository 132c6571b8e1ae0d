// Choosing rows of a list: this page, ranges with Shift, keys (x chooses, j and k go on), and how many are chosen.
(() => {
  "use strict";
  const bar = document.querySelector("[data-bulk]");
  if (!bar) return;
  const boxes = () => [...document.querySelectorAll("[data-pick]")];
  const page = bar.querySelector("[data-pick-all]");
  const everything = bar.querySelector("[data-pick-everything]");
  const output = bar.querySelector("output");
  const action = bar.querySelector("[name=action]");
  const [nothing, chosen] = JSON.parse(bar.dataset.bulkWords);
  const number = new Intl.NumberFormat(document.documentElement.lang);
  page.parentElement.hidden = false;
  output.hidden = false;

  const show = () => {
    const all = boxes();
    const picked = all.filter((box) => box.checked);
    page.checked = all.length > 0 && picked.length === all.length;
    page.indeterminate = picked.length > 0 && picked.length < all.length;
    output.textContent = picked.length ? chosen.replace("#", number.format(picked.length)) : nothing;
    all.forEach((box) => box.closest("tr, li")?.classList.toggle("is-chosen", box.checked));
    const isAny = picked.length > 0 || everything?.checked;
    bar.classList.toggle("is-active", Boolean(isAny));
    bar.querySelector("button").disabled = !isAny;
    if (everything) {
      // "All that match" is offered once the whole page is chosen, as people expect it.
      everything.parentElement.hidden = !page.checked && !everything.checked;
    }
  };
  const ask = () => bar.querySelectorAll("[data-bulk-for]").forEach((label) => {
    const isWanted = label.dataset.bulkFor.split(" ").includes(action.value);
    label.hidden = !isWanted;
    const field = label.querySelector("input, select");
    field.disabled = !isWanted;
    field.required = isWanted;
  });

  let last = null;
  const pick = (box, isRange) => {
    if (isRange && last && last !== box) {
      const all = boxes();
      const [from, to] = [all.indexOf(last), all.indexOf(box)].sort((a, b) => a - b);
      all.slice(from, to + 1).forEach((one) => { one.checked = box.checked; });
    }
    last = box;
    if (everything) everything.checked = false;
    show();
  };
  document.addEventListener("click", (event) => {
    const box = event.target.closest("[data-pick]");
    if (box) pick(box, event.shiftKey);
  });
  page.addEventListener("change", () => {
    boxes().forEach((box) => { box.checked = page.checked; });
    if (everything && !page.checked) everything.checked = false;
    show();
  });
  everything?.addEventListener("change", () => {
    if (everything.checked) boxes().forEach((box) => { box.checked = true; });
    show();
  });
  action.addEventListener("change", ask);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const target = event.target;
    const isBox = target.matches("[data-pick]");
    if (!isBox && target.closest("input, textarea, select, [contenteditable]")) return;
    const all = boxes();
    const row = target.closest("tr, li");
    const at = all.findIndex((box) => box === target || (row && row.contains(box)));
    const key = event.key.toLowerCase();
    if (key === "x") {
      const box = all[at === -1 ? 0 : at];
      if (!box) return;
      event.preventDefault();
      box.focus();
      box.checked = !box.checked;
      pick(box, event.shiftKey);
    } else if (key === "j" || key === "k") {
      const next = all[at === -1 ? 0 : at + (key === "j" ? 1 : -1)];
      if (!next) return;
      event.preventDefault();
      next.focus();
    } else if (key === "escape" && all.some((box) => box.checked)) {
      all.forEach((box) => { box.checked = false; });
      if (everything) everything.checked = false;
      show();
    }
  });
  // A browser that comes back restores the check boxes after this script ran.
  window.addEventListener("pageshow", () => { show(); ask(); });
  show();
  ask();
})();
