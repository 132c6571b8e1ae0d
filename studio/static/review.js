// Keys of the queue and the desk: j and k move, Enter opens, c claims, a approves (and asks), r goes to the reasons.
(() => {
  const desk = document.querySelector("[data-desk]");
  if (!desk) return;
  const typing = (target) => target.closest("input, textarea, select, [contenteditable], dialog[open]");
  const steps = () => [...desk.querySelectorAll("[data-step]")];

  const move = (by) => {
    const all = steps();
    if (!all.length) return;
    const here = all.findIndex((step) => step.contains(document.activeElement));
    const next = all[Math.min(all.length - 1, Math.max(0, here < 0 ? 0 : here + by))];
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  };

  const press = (key) => {
    const target = document.querySelector(`[data-key="${key}"]`);
    if (!target) return false;
    if (target.matches("select")) {
      target.focus();
      target.scrollIntoView({ block: "center" });
    } else {
      target.querySelector("button").click();
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
    } else if ("acr".includes(event.key) && press(event.key)) {
      event.preventDefault();
    }
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
