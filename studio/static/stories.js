// The order of a story's characters: a row that is dropped is moved by the form that its arrows use; focus stays with the row.
(() => {
  "use strict";
  let dragged = null;
  const rows = () => [...document.querySelectorAll("[data-cast] [data-character]")];
  const clear = () => rows().forEach((row) => row.classList.remove("is-dragged", "is-target", "is-target-below"));
  const over = (event) => event.target.closest?.("[data-cast] [data-character]");
  const isBelow = (row, event) => {
    const box = row.getBoundingClientRect();
    return event.clientY > box.top + box.height / 2;
  };
  document.addEventListener("dragstart", (event) => {
    const row = over(event);
    if (!row || row.getAttribute("draggable") !== "true") return;
    dragged = row;
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", row.dataset.character);
    row.classList.add("is-dragged");
  });
  document.addEventListener("dragover", (event) => {
    const row = over(event);
    if (!dragged || !row) return;
    event.preventDefault();
    rows().forEach((one) => one.classList.remove("is-target", "is-target-below"));
    if (row !== dragged) row.classList.add(isBelow(row, event) ? "is-target-below" : "is-target");
  });
  document.addEventListener("dragend", () => {
    clear();
    dragged = null;
  });
  document.addEventListener("drop", (event) => {
    const row = over(event);
    if (!dragged || !row) return;
    event.preventDefault();
    const order = rows();
    const from = order.indexOf(dragged);
    let place = order.indexOf(row) + (isBelow(row, event) ? 1 : 0);
    // Places count without the row that is moved.
    if (from < place) place -= 1;
    const form = dragged.querySelector("form");
    if (place === from || !form) return;
    // The order of the buttons does not matter: the place is named by one of them.
    const button = form.querySelector("button");
    button.disabled = false;
    button.value = String(place);
    button.click();
  });
  // An arrow that has reached an end hands the focus to its neighbour.
  document.addEventListener("htmx:afterSettle", () => {
    const lost = document.activeElement === document.body || document.activeElement?.disabled;
    const last = document.querySelector("[data-cast]") && lastPressed && document.getElementById(lastPressed);
    if (!last || !lost) return;
    const next = last.disabled ? last.parentElement.querySelector("button:not([disabled])") : last;
    next?.focus();
  });
  let lastPressed = null;
  document.addEventListener("submit", (event) => {
    if (event.target.closest("[data-cast]") && event.submitter?.id) lastPressed = event.submitter.id;
  }, true);
})();
