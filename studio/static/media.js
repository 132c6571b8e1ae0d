// The library: many files at once with progress for each (tus), the crop and the focal point of a picture, links to copy.
(() => {
  "use strict";
  const one = (selector, root = document) => root.querySelector(selector);
  const make = (tag, className, text) => {
    const element = document.createElement(tag);
    element.className = className;
    if (text) element.textContent = text;
    return element;
  };

  const form = one("form[data-upload]");
  if (form && window.tus) {
    const { upload: endpoint, waitingWords, failedWords, againWords, allAgainWords, stopWords, stoppedWords, sumWords, takenWords, refusedWords, cutWords, haltedWords, showWords } = form.dataset;
    const chunkSize = Number(form.dataset.partBytes);
    const input = one("input[type=file]", form);
    const zone = one("[data-upload-zone]", form);
    const [area, list, sum] = ["[data-uploads]", "[data-upload-list]", "[data-uploads-sum]"].map((selector) => one(selector, form));
    const atOnce = 3;
    const waiting = [];
    // Each file of this visit: "waiting", "running", "taken", "refused", "cut" (the line broke) or "halted" (by the person).
    const files = [];
    const inState = (state) => files.filter((file) => file.state === state);
    const countOf = (state) => inState(state).length;

    // The grid, the count of its rows and the room are as the studio has them; the reasons for what was refused stay to be read.
    const refresh = (address) => {
      // An empty library has no count of its rows yet.
      const beside = ["#library-room", "#list-pager"].filter((selector) => one(selector));
      return window.htmx.ajax("GET", address, { target: "#library-files", select: "#library-files", selectOOB: beside.join(), swap: "outerHTML" });
    };
    let shown = 0;

    const tell = () => {
      const open = countOf("waiting") + countOf("running");
      const parts = [[takenWords, "taken"], [refusedWords, "refused"], [cutWords, "cut"], [haltedWords, "halted"]]
        .map(([words, state]) => [words, countOf(state)])
        .filter(([, count]) => count)
        .map(([words, count]) => words.replace("{count}", count.toLocaleString()));
      if (open) parts.unshift(sumWords.replace("{done}", (files.length - open).toLocaleString()).replace("{all}", files.length.toLocaleString()));
      sum.textContent = parts.join(" · ");
      const stopped = [...inState("cut"), ...inState("halted")];
      if (stopped.length > 1) {
        const button = make("button", "btn btn-outline btn-sm", allAgainWords);
        button.type = "button";
        button.addEventListener("click", () => stopped.forEach((file) => file.again()));
        sum.append(button);
      }
      if (!open && countOf("taken")) {
        const link = make("a", "", showWords);
        link.href = window.location.pathname;
        link.addEventListener("click", (event) => {
          if (!window.htmx || event.ctrlKey || event.metaKey || event.shiftKey) return;
          event.preventDefault();
          refresh(link.href).then(() => one("#library-files").scrollIntoView({ block: "start" }));
        });
        sum.append(link);
        // All are through: what the page says of the library is true at once, at the place in it where the person is.
        if (window.htmx && countOf("taken") > shown) {
          shown = countOf("taken");
          refresh(window.location.href);
        }
      }
    };
    const next = () => {
      while (countOf("running") < atOnce && waiting.length) waiting.shift()();
    };

    // Signs that turn the direction of what follows show "exe.png" as "gnp.exe": a name is shown without them, and without control characters.
    const plain = (name) => name.replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "");

    const bring = (file) => {
      const shown = plain(file.name);
      const row = make("li", "upload");
      const face = make("img", "upload-face");
      face.alt = "";
      // What cannot be shown, or not any more, has a plain place instead of the browser's torn picture.
      const blank = make("span", "upload-face");
      face.addEventListener("error", () => face.replaceWith(blank));
      const told = make("span", "upload-told", waitingWords);
      const bar = make("progress", "bar");
      bar.max = 100;
      bar.value = 0;
      bar.setAttribute("aria-label", shown);
      const button = make("button", "btn btn-ghost btn-sm", stopWords);
      button.type = "button";
      row.append(blank, make("span", "upload-name", shown), button, bar, told);
      const show = (address) => {
        face.src = address;
        blank.replaceWith(face);
      };
      if (/^image\/(png|jpeg|webp|gif)$/.test(file.type)) show(URL.createObjectURL(file));
      list.append(row);
      const own = { state: "waiting" };
      files.push(own);
      let breaks = 0;
      let timer = 0;
      const become = (state, words) => {
        own.state = state;
        window.clearTimeout(timer);
        told.textContent = words;
        row.classList.toggle("is-refused", state === "refused" || state === "cut");
        row.classList.toggle("is-done", state === "taken");
        // What needs a look stands first.
        if (state === "refused" || state === "cut") list.prepend(row);
        button.textContent = state === "waiting" || state === "running" ? stopWords : againWords;
        tell();
        next();
      };
      const finish = (state, words) => {
        URL.revokeObjectURL(face.src);
        bar.remove();
        button.remove();
        become(state, words);
      };
      const wordsOf = (response) => {
        try {
          return JSON.parse(response?.getBody() || "{}");
        } catch {
          return {};
        }
      };
      const outcomeOf = (address) =>
        fetch(address, { headers: { Accept: "application/json" } })
          .then((answer) => (answer.ok ? answer.json() : {}))
          .catch(() => ({}));
      const upload = new window.tus.Upload(file, {
        endpoint,
        chunkSize,
        retryDelays: [0, 500, 1500, 4000, 8000],
        metadata: { filename: file.name },
        headers: { "X-CSRFToken": one("[name=csrf_token]", form).value, Accept: "application/json" },
        removeFingerprintOnSuccess: true,
        onProgress: (sent, total) => {
          bar.value = total ? (100 * sent) / total : 100;
          told.textContent = `${Math.round(bar.value)} %`;
        },
        onChunkComplete: () => { breaks = 0; },
        onSuccess: async ({ lastResponse }) => {
          let outcome = wordsOf(lastResponse);
          // The answer to the last part was lost on the way: what came of the file is asked for once more.
          if (!outcome.told && !outcome.refused) outcome = await outcomeOf(upload.url);
          if (outcome.refused) return finish("refused", outcome.refused);
          finish("taken", outcome.told || "100 %");
          if (outcome.picture) show(outcome.picture);
          if (!outcome.address) return;
          const link = make("a", "upload-name", shown);
          link.href = outcome.address;
          one(".upload-name", row).replaceWith(link);
        },
        onError: (error) => {
          const status = error.originalResponse?.getStatus() || 0;
          const words = wordsOf(error.originalResponse).error;
          // What the studio refuses (an empty file) it refuses again; room in the library can be made, and asked again.
          if (status >= 400 && status < 500 && status !== 408 && status !== 429) {
            return file.size ? become("refused", words || failedWords) : finish("refused", words || failedWords);
          }
          breaks += 1;
          become("cut", words || failedWords);
          timer = window.setTimeout(own.again, Math.min(60, 5 * 2 ** (breaks - 1)) * 1000);
        },
      });
      const start = async () => {
        become("running", "0 %");
        // What an earlier visit began goes on where it stopped.
        const earlier = await upload.findPreviousUploads();
        if (own.state !== "running") return;
        if (earlier.length) {
          upload.resumeFromPreviousUpload(earlier[0]);
          form.querySelectorAll("[data-unfinished]").forEach((item) => item.dataset.unfinished === earlier[0].uploadUrl && item.remove());
          const left = one("[data-unfinished-box]");
          if (left && !one("[data-unfinished]", left)) left.remove();
        }
        upload.start();
      };
      own.again = () => {
        if (own.state === "running" || own.state === "waiting" || own.state === "taken") return;
        waiting.push(start);
        become("waiting", waitingWords);
      };
      button.addEventListener("click", async () => {
        if (own.state === "waiting") waiting.splice(waiting.indexOf(start), 1);
        else if (own.state === "running") await upload.abort();
        else return own.again();
        if (own.state === "waiting" || own.state === "running") become("halted", stoppedWords);
      });
      waiting.push(start);
    };
    // The line is back: everything goes on at once, without a hand.
    window.addEventListener("online", () => inState("cut").forEach((file) => file.again()));

    // A folder cannot be sent, the files in it can: without what programs hide there, and no more than anybody watches.
    const mostWithin = 500;
    const filesWithin = async (entries) => {
      const found = [];
      const waiting = [...entries];
      while (waiting.length && found.length < mostWithin) {
        const entry = waiting.shift();
        if (entry.isFile) {
          const file = await new Promise((resolve) => { entry.file(resolve, () => resolve(null)); });
          if (file && !file.name.startsWith(".")) found.push(file);
        } else if (entry.isDirectory) {
          const reader = entry.createReader();
          // They come a hundred at a time.
          for (let some = []; ; ) {
            some = await new Promise((resolve) => { reader.readEntries(resolve, () => resolve([])); });
            if (!some.length) break;
            waiting.push(...some);
          }
        }
      }
      return found;
    };

    const choose = (files) => {
      if (!files.length) return;
      area.hidden = false;
      [...files].forEach(bring);
      tell();
      next();
    };
    input.addEventListener("change", () => {
      choose(input.files);
      input.value = "";
    });
    for (const kind of ["dragenter", "dragover"]) zone.addEventListener(kind, (event) => {
      event.preventDefault();
      zone.classList.add("is-over");
    });
    for (const kind of ["dragleave", "drop"]) zone.addEventListener(kind, () => zone.classList.remove("is-over"));
    zone.addEventListener("drop", (event) => {
      event.preventDefault();
      // What was dropped is known only until this handler returns.
      const entries = [...(event.dataTransfer.items || [])].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
      if (!entries.some((entry) => entry.isDirectory)) return choose(event.dataTransfer.files);
      filesWithin(entries).then(choose);
    });
    window.addEventListener("beforeunload", (event) => (countOf("running") || countOf("waiting") || countOf("cut")) && event.preventDefault());
  }

  // Dragging over a picture chooses a part of it, a click its focal point; the numbers beside say the same.
  const cropper = one("[data-cropper]");
  if (cropper) {
    const own = cropper.closest("form");
    const fields = Object.fromEntries(["crop_left", "crop_top", "crop_right", "crop_bottom", "focus_x", "focus_y"].map((name) => [name, own.elements[name]]));
    const [part, focus] = ["[data-cropper-part]", "[data-cropper-focus]"].map((selector) => one(selector, cropper));
    const whole = one("[data-cropper-whole]", own);
    cropper.classList.add("is-live");
    one("[data-cropper-help]", own).hidden = false;
    const number = (name, otherwise) => {
      const value = Number.parseFloat(fields[name].value.replace(",", "."));
      return Number.isFinite(value) ? Math.min(100, Math.max(0, value)) : otherwise;
    };
    const show = () => {
      const [left, top, right, bottom] = [number("crop_left", 0), number("crop_top", 0), number("crop_right", 100), number("crop_bottom", 100)];
      const isPart = left > 0 || top > 0 || right < 100 || bottom < 100;
      part.hidden = !isPart;
      whole.hidden = !isPart && !fields.focus_x.value;
      Object.assign(part.style, { left: `${left}%`, top: `${top}%`, width: `${right - left}%`, height: `${bottom - top}%` });
      focus.hidden = !fields.focus_x.value || !fields.focus_y.value;
      Object.assign(focus.style, { left: `${number("focus_x", 50)}%`, top: `${number("focus_y", 20)}%` });
    };
    const write = (values) => {
      for (const [name, value] of Object.entries(values)) fields[name].value = value === "" ? "" : String(Math.round(value * 10) / 10);
      fields.crop_left.dispatchEvent(new Event("input", { bubbles: true }));
      show();
    };
    const placeOf = (event) => {
      const box = cropper.getBoundingClientRect();
      const share = (value, start, size) => Math.min(100, Math.max(0, (100 * (value - start)) / size));
      return [share(event.clientX, box.left, box.width), share(event.clientY, box.top, box.height)];
    };
    // A finger scrolls the page, and a tap sets the focal point; it draws a part only after it was asked to, once.
    const choosing = one("[data-cropper-choose]", own);
    const isChoosing = () => cropper.classList.contains("is-choosing");
    const toChoose = (is) => {
      cropper.classList.toggle("is-choosing", is);
      choosing.setAttribute("aria-pressed", String(is));
    };
    choosing.hidden = !window.matchMedia("(any-pointer: coarse)").matches;
    choosing.addEventListener("click", () => toChoose(!isChoosing()));
    let begin = null;
    cropper.addEventListener("pointerdown", (event) => {
      if (!event.isPrimary || event.button !== 0) return;
      begin = placeOf(event);
      begin.scrolls = event.pointerType === "touch" && !isChoosing();
      if (begin.scrolls) return;
      event.preventDefault();
      cropper.focus({ preventScroll: true });
      cropper.setPointerCapture(event.pointerId);
    });
    const isDrag = ([x, y]) => Math.abs(x - begin[0]) > 3 && Math.abs(y - begin[1]) > 3;
    const isMoved = ([x, y]) => Math.abs(x - begin[0]) > 3 || Math.abs(y - begin[1]) > 3;
    const choose = ([x, y]) => write({
      crop_left: Math.min(x, begin[0]), crop_top: Math.min(y, begin[1]), crop_right: Math.max(x, begin[0]), crop_bottom: Math.max(y, begin[1]),
    });
    cropper.addEventListener("pointermove", (event) => begin && !begin.scrolls && isDrag(placeOf(event)) && choose(placeOf(event)));
    cropper.addEventListener("pointerup", (event) => {
      if (!begin) return;
      const place = placeOf(event);
      if (!begin.scrolls && isDrag(place)) {
        choose(place);
        toChoose(false);
      } else if (!begin.scrolls || !isMoved(place)) write({ focus_x: place[0], focus_y: place[1] });
      begin = null;
    });
    cropper.addEventListener("pointercancel", () => { begin = null; });
    // By keys the focal point moves by a hundredth, with Shift by a tenth.
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    cropper.tabIndex = 0;
    cropper.addEventListener("keydown", (event) => {
      const step = steps[event.key];
      if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      const by = event.shiftKey ? 10 : 1;
      const within = (value) => Math.min(100, Math.max(0, value));
      write({ focus_x: within(number("focus_x", 50) + by * step[0]), focus_y: within(number("focus_y", 20) + by * step[1]) });
    });
    whole.addEventListener("click", () => write({ crop_left: 0, crop_top: 0, crop_right: 100, crop_bottom: 100, focus_x: "", focus_y: "" }));
    for (const field of Object.values(fields)) field.addEventListener("change", show);
    show();
  }

  // A player's link lasts ten minutes: a page that stood open longer gets a new one, once for each play, at the same place.
  for (const player of document.querySelectorAll("[data-player]")) {
    let isTried = false;
    player.addEventListener("playing", () => { isTried = false; });
    player.addEventListener("error", () => {
      if (isTried) return;
      isTried = true;
      const place = player.currentTime;
      player.addEventListener("loadedmetadata", () => {
        player.currentTime = place;
        player.play().catch(() => {});
      }, { once: true });
      player.load();
    });
  }

  for (const button of document.querySelectorAll("[data-copy-link]")) {
    if (!navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener("click", async () => {
      const answer = await fetch(button.dataset.copyLink, { method: "POST", headers: { "X-CSRFToken": button.dataset.token, Accept: "application/json" } });
      const told = await answer.json().catch(() => ({}));
      if (told.link) await navigator.clipboard.writeText(told.link);
      one("[data-copy-told]").textContent = told.link ? button.dataset.copiedWords : told.error || "";
    });
  }

  // Tiles by the arrow keys, as they lie; Tab goes through them all the same.
  document.addEventListener("keydown", (event) => {
    const tiles = event.target.closest?.(".tiles");
    if (!tiles || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const links = [...tiles.children].map((tile) => one("a", tile));
    const here = links.indexOf(event.target);
    if (here < 0) return;
    const top = links[0].getBoundingClientRect().top;
    const across = links.filter((link) => Math.abs(link.getBoundingClientRect().top - top) < 2).length;
    const to = { ArrowLeft: here - 1, ArrowRight: here + 1, ArrowUp: here - across, ArrowDown: here + across, Home: 0, End: links.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    links[to]?.focus();
  });
})();
