// Keys of the queue and the desk: j and k move, e goes to the next mark, Enter opens, c claims, u gives back, n claims
// the next, a approves (and asks), r goes to the reasons, s, x and d to the buttons that send back, reject and take down,
// h to hiding at once. The dialog that ? opens tells them. Beside a chosen reason stands what the creator will read.
(() => {
  const keys = document.querySelector("[data-more-keys]");
  const dialog = document.querySelector("#keys dl");
  if (keys && dialog) {
    dialog.after(keys);
    keys.hidden = false;
  }
  const desk = document.querySelector("[data-desk]");
  if (!desk) return;
  const typing = (target) => target.closest("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable], dialog[open]");
  const steps = () => [...desk.querySelectorAll("[data-step]")];

  const move = (by) => {
    const all = steps();
    if (!all.length) return;
    const here = all.findIndex((step) => step.contains(document.activeElement));
    const next = all[Math.min(all.length - 1, Math.max(0, here < 0 ? 0 : here + by))];
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  };

  // The next passage that a check marked; what folds it opens, and after the last comes the first.
  let seen = -1;
  const nextMark = () => {
    const marks = [...desk.querySelectorAll("mark.hit")];
    if (!marks.length) return;
    seen = (seen + 1) % marks.length;
    const mark = marks[seen];
    for (let fold = mark.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    mark.tabIndex = -1;
    mark.focus({ preventScroll: true });
    mark.scrollIntoView({ block: "center" });
  };

  const press = (key) => {
    // What goes against a listing is gone to and not pressed: `studio.js` would press a `data-key`.
    const target = document.querySelector(`[data-goto-key="${key}"]`) || document.querySelector(`[data-key="${key}"]`);
    if (!target) return false;
    if (target.matches("select, textarea, button")) {
      for (let fold = target.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
      target.focus();
      target.scrollIntoView({ block: "center" });
    } else {
      target.querySelector("button")?.click();
    }
    return true;
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || typing(event.target)) return;
    if (event.key === "j" || event.key === "k") {
      event.preventDefault();
      move(event.key === "j" ? 1 : -1);
    } else if (event.key === "Enter" && event.target.matches("[data-desk=queue] [data-step]")) {
      event.target.querySelector("a").click();
    } else if (event.key === "e") {
      event.preventDefault();
      nextMark();
    } else if ("acrunsxdh".includes(event.key) && press(event.key)) {
      event.preventDefault();
    }
  });

  // A reason is about a field as a rule; what somebody chose themselves stays.
  document.querySelectorAll(".reason-row").forEach((row) => {
    const [reason, field] = row.querySelectorAll("select");
    let set = "";
    reason.addEventListener("change", () => {
      if (field.value !== set) return;
      set = reason.selectedOptions[0]?.dataset.about || "";
      field.value = set;
    });
  });

  const says = {};
  for (const code of document.querySelectorAll("[data-says] dt")) says[code.textContent] = code.nextElementSibling.textContent;
  document.addEventListener("change", (event) => {
    const said = event.target.matches("select") && document.querySelector(`[data-says-of="${event.target.id}"]`);
    if (said) said.textContent = says[event.target.value] || "";
  });

  // A mark that is led to must be seen: what folds it opens.
  const unfold = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let fold = target && target.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    if (target) target.scrollIntoView({ block: "center" });
  };
  window.addEventListener("hashchange", unfold);
  unfold();
})();
