// Many cards at once: files, folders and archives go to the studio slice by slice, and go on where they were cut off.
(() => {
  "use strict";
  const form = document.querySelector("form[data-bring]");
  if (!form) return;
  const one = (selector) => form.querySelector(selector);
  const { begin, chosenWords, sentWords, failedWords, noneWords } = form.dataset;
  const partBytes = Number(form.dataset.partBytes);
  const filesAtOnce = 50;
  const [input, zone, folder, folderField] = ["#cards", "[data-bring-zone]", "[data-bring-folder]", "[data-bring-folder-field]"].map(one);
  const [words, chosenPlace, bar, button] = ["[data-bring-words]", "[data-bring-chosen]", "[data-bring-progress]", "[data-bring-button]"].map(one);
  let address = form.dataset.address;
  let chosen = [];
  let isSending = false;

  const choose = (files) => {
    chosen = files;
    const size = chosen.reduce((sum, { file }) => sum + file.size, 0) / 1e6;
    chosenPlace.textContent = chosen.length ? chosenWords.replace("{count}", chosen.length.toLocaleString()).replace("{size}", size.toLocaleString(undefined, { maximumFractionDigits: 1 })) : "";
    words.textContent = "";
  };
  const listed = (list) => [...list].map((file) => ({ file, path: file.webkitRelativePath || file.name }));

  // A dropped folder is walked through; a browser hands out its entries a hundred at a time.
  const entriesOf = (reader) => new Promise((resolve, reject) => reader.readEntries(resolve, reject));
  const walk = async (entry, into) => {
    if (entry.isFile) {
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
      into.push({ file, path: entry.fullPath.replace(/^\//, "") });
      return;
    }
    const reader = entry.createReader();
    for (let entries = await entriesOf(reader); entries.length; entries = await entriesOf(reader)) {
      for (const inner of entries) await walk(inner, into);
    }
  };
  input.addEventListener("change", () => choose(listed(input.files)));
  folder.hidden = false;
  folder.addEventListener("click", () => folderField.click());
  folderField.addEventListener("change", () => choose(listed(folderField.files)));
  for (const kind of ["dragenter", "dragover"]) zone.addEventListener(kind, (event) => {
    event.preventDefault();
    zone.classList.add("is-over");
  });
  for (const kind of ["dragleave", "drop"]) zone.addEventListener(kind, () => zone.classList.remove("is-over"));
  zone.addEventListener("drop", async (event) => {
    event.preventDefault();
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    const plain = listed(event.dataTransfer.files);
    const found = [];
    for (const entry of entries) await walk(entry, found);
    choose(found.length ? found : plain);
  });

  // One request, tried again while the line or the studio is away; a refusal comes back as its sentence.
  const send = async (place, fields) => {
    const body = new FormData();
    body.set("csrf_token", one("[name=csrf_token]").value);
    for (const [name, value, filename] of fields) filename === undefined ? body.append(name, value) : body.append(name, value, filename);
    for (let attempt = 0; ; attempt += 1) {
      let answer;
      try {
        answer = await fetch(place, { method: "POST", body, headers: { Accept: "application/json" }, redirect: "manual" });
      } catch (error) {
        if (attempt >= 4) throw error;
      }
      if (answer?.type === "opaqueredirect") return {};
      if (answer?.ok) return answer.json();
      if (answer && (answer.status < 500 || attempt >= 4)) {
        const told = await answer.json().catch(() => ({}));
        throw new Error(told.error || failedWords);
      }
      await new Promise((resolve) => setTimeout(resolve, 400 * 2 ** attempt));
    }
  };
  const hashOf = async (file) => {
    const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
    return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  };

  const slices = (files) => {
    const made = [];
    let slice = [];
    let size = 0;
    for (const each of files) {
      if (slice.length >= filesAtOnce || (slice.length && size + each.file.size > partBytes)) {
        made.push(slice);
        slice = [];
        size = 0;
      }
      slice.push(each);
      size += each.file.size;
    }
    return slice.length ? [...made, slice] : made;
  };

  const sendAll = async (isLook) => {
    const isResumed = Boolean(address);
    if (!address) address = (await send(begin, [["on_duplicate", one("[name=on_duplicate]:checked")?.value || "skip"]])).address;
    const all = chosen.reduce((sum, { file }) => sum + file.size, 0) || 1;
    let bytes = 0;
    let done = 0;
    const tell = (more, count) => {
      bytes += more;
      done += count;
      bar.firstElementChild.value = Math.round((100 * bytes) / all);
      words.textContent = sentWords.replace("{done}", done.toLocaleString()).replace("{all}", chosen.length.toLocaleString());
    };
    for (const slice of slices(chosen.filter(({ file }) => file.size <= partBytes))) {
      let wanted = slice;
      if (isResumed && window.crypto?.subtle) {
        const hashes = await Promise.all(slice.map(({ file }) => hashOf(file)));
        const { hashes: known } = await send(`${address}/known`, [["hashes", hashes.join(",")]]);
        wanted = slice.filter((_, place) => !known.includes(hashes[place]));
      }
      if (wanted.length) await send(`${address}/files`, wanted.map(({ file, path }) => ["card", file, path]));
      tell(slice.reduce((sum, { file }) => sum + file.size, 0), slice.length);
    }
    for (const { file, path } of chosen.filter((each) => each.file.size > partBytes)) {
      const { parts } = isResumed ? await send(`${address}/known`, [["hashes", ""]]) : { parts: {} };
      const total = Math.ceil(file.size / partBytes);
      for (let number = 0; number < total; number += 1) {
        const part = file.slice(number * partBytes, (number + 1) * partBytes);
        if (!parts[path]?.includes(number)) {
          await send(`${address}/parts`, [["path", path], ["size", file.size], ["number", number], ["total", total], ["part", part, "part"]]);
        }
        tell(part.size, 0);
      }
      tell(0, 1);
    }
    if (!isLook) await send(`${address}/start`, []);
  };

  window.addEventListener("beforeunload", (event) => isSending && event.preventDefault());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    event.stopImmediatePropagation();
    if (isSending) return;
    if (!chosen.length) choose(listed(input.files));
    if (!chosen.length) {
      words.textContent = noneWords;
      return;
    }
    isSending = true;
    button.setAttribute("aria-disabled", "true");
    bar.hidden = false;
    try {
      await sendAll(event.submitter?.value === "look");
      isSending = false;
      window.location.assign(address);
    } catch (error) {
      isSending = false;
      button.removeAttribute("aria-disabled");
      words.textContent = error instanceof TypeError ? failedWords : error.message;
    }
  }, true);
})();
