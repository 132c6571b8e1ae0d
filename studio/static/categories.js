// Arranging the tree of categories: arrow keys choose, Alt with an arrow moves, dragging drops above, below or into another.
(() => {
  "use strict";
  const tree = () => document.querySelector("[data-shelves]");
  const shelves = () => [...document.querySelectorAll("[data-shelf]")];
  let busy = null;

  const choose = (shelf) => {
    if (!shelf) return;
    shelves().forEach((one) => one.setAttribute("tabindex", one === shelf ? "0" : "-1"));
    shelf.focus();
  };
  const WAYS = { ArrowUp: "up", ArrowDown: "down", ArrowRight: "in", ArrowLeft: "out" };
  document.addEventListener("keydown", (event) => {
    const shelf = event.target.closest("[data-shelf]");
    if (!shelf || event.target !== shelf || event.ctrlKey || event.metaKey) return;
    if (event.altKey && WAYS[event.key]) {
      event.preventDefault();
      shelf.querySelector(`[name="way"][value="${WAYS[event.key]}"]`).click();
    } else if (!event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
      event.preventDefault();
      const all = shelves();
      choose(all[all.indexOf(shelf) + (event.key === "ArrowDown" ? 1 : -1)]);
    } else if (event.key === "Enter") {
      shelf.querySelector(".shelf-what a").click();
    }
  });
  document.addEventListener("submit", (event) => {
    busy = event.target.closest("[data-shelf]")?.id || null;
  }, true);
  document.addEventListener("htmx:afterSettle", () => {
    if (busy) choose(document.getElementById(busy));
    busy = null;
  });

  // Dragging. The upper quarter of a row is "above", the lower one "below", the rest "into".
  let dragged = null;
  const marks = ["drop-above", "drop-below", "drop-into", "drop-never"];
  const clear = () => shelves().forEach((one) => one.classList.remove(...marks));
  const isBelow = (shelf, other) => {
    for (let one = shelf; one; one = document.getElementById(`shelf-${one.dataset.parent}`)) if (one === other) return true;
    return false;
  };
  const where = (shelf, y) => {
    const box = shelf.getBoundingClientRect();
    const part = (y - box.top) / box.height;
    return part < 0.25 ? "drop-above" : part > 0.75 ? "drop-below" : "drop-into";
  };
  // Below itself nothing can stand; who lets go there is told so by the studio.
  const target = (event) => {
    const shelf = event.target.closest?.("[data-shelf]");
    return shelf && dragged && shelf !== dragged ? shelf : null;
  };
  document.addEventListener("dragstart", (event) => {
    dragged = event.target.closest?.("[data-shelf]") || null;
    if (!dragged) return;
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", dragged.dataset.shelf);
  });
  document.addEventListener("dragover", (event) => {
    const shelf = target(event);
    clear();
    if (!shelf) return;
    event.preventDefault();
    shelf.classList.add(isBelow(shelf, dragged) ? "drop-never" : where(shelf, event.clientY));
  });
  document.addEventListener("dragend", () => {
    clear();
    dragged = null;
  });
  document.addEventListener("drop", (event) => {
    const shelf = target(event);
    clear();
    if (!shelf) return;
    event.preventDefault();
    const way = where(shelf, event.clientY);
    let parent = shelf.dataset.parent;
    let before = shelf.dataset.shelf;
    if (way === "drop-into") [parent, before] = [shelf.dataset.shelf, ""];
    else if (way === "drop-below") {
      const siblings = shelves().filter((one) => one.dataset.parent === parent && one !== dragged);
      before = siblings[siblings.indexOf(shelf) + 1]?.dataset.shelf || "";
    }
    busy = dragged.id;
    window.htmx.ajax("POST", dragged.dataset.place, {
      target: "#shelves",
      select: "#shelves",
      swap: "outerHTML",
      values: { csrf_token: tree().dataset.csrf, row_version: dragged.dataset.version, parent_id: parent, before_id: before },
    });
  });
})();
