// The character editor while somebody writes: tokens, macro notes, previews, the drawn path, tags, rows by keyboard.
// Saving, and every button, works without it.
(() => {
  "use strict";
  const form = document.getElementById("editor");
  if (!form || !form.dataset.check) return;
  const one = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const words = JSON.parse(form.dataset.words);
  const countWords = JSON.parse(document.body.dataset.countWords);
  const lang = document.documentElement.lang;
  const number = new Intl.NumberFormat(lang);
  const percent = new Intl.NumberFormat(lang, { style: "percent" });
  const outputOf = (id) => one(`[data-length-of="${CSS.escape(id)}"]`);

  // After a pause in typing; each key has a pause of its own.
  const pauses = new Map();
  const later = (key, milliseconds, act) => {
    clearTimeout(pauses.get(key));
    pauses.set(key, setTimeout(() => { pauses.delete(key); act(); }, milliseconds));
  };

  // Tokens: counted by a worker, or after a pause where the browser gives none.
  const turns = new Map();
  const show = ({ id, turn, length, tokens }) => {
    if (turns.get(id) !== turn) return;
    const output = outputOf(id);
    if (!output) return;
    output.dataset.tokens = tokens;
    document.getElementById(id)?.classList.toggle("is-long", length > 20000);
    output.textContent = `${countWords[length === 1 ? 2 : 0].replace("#", number.format(length))} · ${countWords[tokens === 1 ? 3 : 1].replace("#", number.format(tokens))}`;
    showMeter();
  };
  let worker = null;
  try {
    worker = new Worker(form.dataset.worker);
    worker.addEventListener("message", ({ data }) => show(data));
    worker.addEventListener("error", () => { worker = null; });
  } catch { /* Counted here, then. */ }
  const count = (field) => later(`count ${field.id}`, worker ? 80 : 300, () => {
    const turn = (turns.get(field.id) || 0) + 1;
    turns.set(field.id, turn);
    const message = { id: field.id, turn, text: field.value };
    if (worker) worker.postMessage(message);
    else show({ ...message, length: window.studioTokens.length(field.value), tokens: window.studioTokens.tokens(field.value) });
  });
  const meter = one("[data-meter]");
  const groups = JSON.parse(meter.dataset.groups);
  const windowOf = () => {
    const typed = form.elements.context_tokens.value.trim().replaceAll(",", "");
    return /^\d{3,8}$/.test(typed) && Number(typed) >= 512 ? Number(typed) : Number(meter.dataset.window);
  };
  const showMeter = () => {
    const sums = { permanent: Number(meter.dataset.lore), greeting: 0, example: 0 };
    for (const [id, group] of Object.entries(groups)) sums[group] += Number(outputOf(id)?.dataset.tokens || 0);
    const size = windowOf();
    let left = 0;
    for (const [group, sum] of Object.entries(sums)) {
      const width = Math.max(0, Math.min(100 - left, (100 * sum) / size));
      const bar = one(`[data-bar="${group}"]`, meter);
      bar.setAttribute("x", left);
      bar.setAttribute("width", width);
      left += width;
      one(`[data-sum="${group}"]`, meter).textContent = number.format(sum);
      one(`[data-share="${group}"]`, meter).textContent = percent.format(sum / size);
    }
    one("[data-window-text]", meter).textContent = number.format(size);
    const isMuch = sums.permanent * 2 > size;
    meter.classList.toggle("is-much", isMuch);
    one("[data-much]", meter).hidden = !isMuch;
  };

  // What the server says of a text: it alone knows macros.
  const token = form.elements.csrf_token.value;
  // Once the form goes out nothing may answer behind it: a late answer's cookie would take back what the save's says.
  let leaving = new AbortController();
  form.addEventListener("submit", () => {
    leaving.abort();
    pauses.forEach((pause) => clearTimeout(pause));
    pauses.clear();
  });
  form.addEventListener("input", () => {
    if (leaving.signal.aborted) leaving = new AbortController();
  }, true);
  const ask = (values) => fetch(form.dataset.check, {
    method: "POST",
    signal: leaving.signal,
    headers: { "X-CSRFToken": token, Accept: "application/json" },
    body: new URLSearchParams(values),
  }).then((answer) => (answer.ok ? answer.json() : null)).catch(() => null);

  const iconOf = (list) => one("svg", list)?.cloneNode(true) || document.createElement("span");
  const sampleIcon = one("[data-much] svg", meter);
  const noteItem = (note, id) => {
    const item = document.createElement("li");
    const text = document.createElement("span");
    text.textContent = note.count > 1 ? `${note.sentence} ×${note.count}` : note.sentence;
    item.append(sampleIcon ? sampleIcon.cloneNode(true) : iconOf(meter), text);
    if (note.fix) {
      const button = document.createElement("button");
      button.className = "btn btn-outline btn-sm";
      button.name = "do";
      button.value = `fix:${id}:${note.found}`;
      Object.assign(button.dataset, { fix: note.fix, found: note.found, code: note.code });
      button.textContent = note.action;
      item.append(button);
    }
    return item;
  };
  const lint = (field) => later(`lint ${field.id}`, 500, async () => {
    const list = one(`[data-notes="${CSS.escape(field.id)}"]`);
    if (!list) return;
    const typed = field.value;
    if (!typed.includes("{")) return list.replaceChildren();
    const answer = await ask({ text: typed });
    if (answer && field.value === typed) list.replaceChildren(...answer.notes.map((note) => noteItem(note, field.id)));
  });

  // Mending goes through the field as typing does, so that Ctrl-Z takes it back.
  const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const mend = (field, { found, fix, code }) => {
    const pattern = new RegExp(code === "single_brace" ? `(?<!\\{)${escaped(found)}(?!\\})` : escaped(found), "g");
    const places = [...field.value.matchAll(pattern)];
    if (!places.length) return;
    const start = places[0].index;
    const end = places.at(-1).index + found.length;
    const text = field.value.slice(start, end).replace(pattern, () => fix);
    field.focus();
    field.setSelectionRange(start, end);
    if (!document.execCommand("insertText", false, text)) {
      field.setRangeText(text, start, end, "end");
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }
  };
  form.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-fix]");
    const field = button && document.getElementById(button.closest("[data-notes]").dataset.notes);
    if (!field) return;
    event.preventDefault();
    mend(field, button.dataset);
  });

  // Previews: a panel below the text, kept true while it is open.
  const seeds = new Map();
  const preview = async (id) => {
    const panel = document.getElementById(`preview-${id}`);
    const field = document.getElementById(id);
    if (!panel || panel.hidden || !field) return;
    const values = form.elements;
    const answer = await ask({
      text: field.value,
      char: values.nickname.value || values.name.value,
      user: values.preview_user.value,
      seed: seeds.get(id) || 0,
    });
    if (answer) one("[data-preview-text]", panel).textContent = answer.rendered || words.empty;
  };
  form.addEventListener("click", (event) => {
    const toggle = event.target.closest("[data-preview]");
    const dice = event.target.closest("[data-dice]");
    if (toggle) {
      const panel = document.getElementById(`preview-${toggle.dataset.preview}`);
      panel.hidden = !panel.hidden;
      toggle.setAttribute("aria-expanded", String(!panel.hidden));
      preview(toggle.dataset.preview);
    } else if (dice) {
      const id = dice.closest("[data-preview-of]").dataset.previewOf;
      seeds.set(id, (seeds.get(id) || 0) + 1);
      preview(id);
    } else if (event.target.closest("[data-preview-all]")) {
      event.preventDefault();
      all("[data-preview-of]", form).forEach((panel) => {
        if (document.getElementById(panel.dataset.previewOf)?.value.trim()) panel.hidden = false;
        preview(panel.dataset.previewOf);
      });
      readyPreviews(form);
    }
  });
  const refreshPreviews = () => later("previews", 400, () =>
    all("[data-preview-of]:not([hidden])", form).forEach((panel) => preview(panel.dataset.previewOf)));
  const readyPreviews = (root) => {
    all("[data-preview]", root).forEach((button) => {
      button.hidden = false;
      const panel = document.getElementById(`preview-${button.dataset.preview}`);
      button.setAttribute("aria-expanded", String(!panel.hidden));
    });
    all("[data-dice]", root).forEach((button) => { button.hidden = false; });
  };

  // The drawn path follows the numbers.
  const place = (field) => Math.max(0, Math.min(100, /^\s*\d{1,4}\s*$/.test(field.value) ? Number(field.value) : 0));
  const drawScene = (row) => {
    const index = row.dataset.scene;
    const stop = one(`[data-stop="${index}"]`);
    if (!stop) return;
    const at = place(one("[data-scene-progress]", row));
    const gate = place(one("[data-scene-required]", row));
    const x = 50 + 9 * at;
    const gateX = 50 + 9 * gate;
    one("circle", stop).setAttribute("cx", x);
    one("text", stop).setAttribute("x", x);
    one("rect", stop).setAttribute("x", gateX - 5);
    const line = one("line", stop);
    line.setAttribute("x1", gateX);
    line.setAttribute("x2", x);
    stop.classList.toggle("is-late", gate > at);
    one("[data-scene-late]", row).hidden = gate <= at;
    const title = one("[data-scene-title]", row).value.trim() || words.untitled;
    one(`[data-stop-text="${index}"]`).textContent = words.late.replace("#2", at).replace("#3", gate).replace("#1", () => title);
  };

  form.addEventListener("input", (event) => {
    const field = event.target;
    if (field.matches("[data-text], #current_state")) count(field);
    if (field.matches("[data-text]")) {
      lint(field);
      later(`preview ${field.id}`, 400, () => preview(field.id));
    }
    const row = field.closest?.("[data-scene]");
    if (row && field.matches("[data-scene-title], [data-scene-progress], [data-scene-required]")) drawScene(row);
    if (field.name === "preview_user" || field.name === "name" || field.name === "nickname") refreshPreviews();
    if (field.name === "context_tokens") showMeter();
  });
  // A known model brings its window.
  form.addEventListener("change", (event) => {
    if (event.target.name !== "ai_model") return;
    const known = all("#known-models option").find((option) => option.value === event.target.value);
    if (!known) return;
    form.elements.context_tokens.value = known.dataset.tokens;
    form.elements.context_tokens.dispatchEvent(new Event("input", { bubbles: true }));
    one("[data-window-note]").textContent = words.window.replace("#", number.format(known.dataset.tokens));
  });

  // Rows: Alt and an arrow move the one in which somebody writes; the focus goes where the row goes.
  let following = null;
  form.addEventListener("keydown", (event) => {
    if (!event.altKey || event.ctrlKey || event.metaKey || !["ArrowUp", "ArrowDown"].includes(event.key)) return;
    const row = event.target.closest("[data-row]");
    if (!row) return;
    event.preventDefault();
    const button = one(`.row-buttons [value^="${event.key === "ArrowUp" ? "up" : "down"}:"]`, row);
    if (!button || button.disabled) return;
    const fields = all("textarea, input, select", row);
    following = { field: fields.indexOf(event.target), caret: event.target.selectionStart ?? null };
    button.click();
  });
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (!event.target.matches?.("[data-step]")) return;
    const [verb, name, index] = event.target.value.split(":");
    const at = Number(index || 0);
    const to = { up: at - 1, down: at + 1, copy: at + 1, drop: at, add: -1 }[verb];
    following = { field: following?.field ?? 0, caret: following?.caret ?? null, name, verb, to };
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    if (!form.contains(event.target)) return;
    prepare(event.target);
    if (!following?.name) return;
    const { name, to, field, caret, verb } = following;
    following = null;
    const rows = all(`[data-row^="${name}:"]`, form);
    const row = rows.at(to < 0 && verb === "add" ? -1 : Math.min(to, rows.length - 1));
    const target = row && all("textarea, input, select", row)[Math.max(0, field)];
    target?.focus();
    if (caret !== null && target?.setSelectionRange) target.setSelectionRange(caret, caret);
    // Re-arranged rows are as unsaved as typed text.
    form.dispatchEvent(new Event("input", { bubbles: true }));
    showMeter();
  });

  // The section that is being read is marked in the list of sections.
  const links = new Map(all("a[data-section]").map((link) => [link.hash.slice(1), link]));
  const visible = new Set();
  const mark = () => {
    const first = [...links.keys()].find((id) => visible.has(id));
    links.forEach((link, id) => (id === first ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current")));
  };
  const watcher = new IntersectionObserver((entries) => {
    entries.forEach(({ target, isIntersecting }) => (isIntersecting ? visible.add(target.id) : visible.delete(target.id)));
    mark();
  }, { rootMargin: "-12% 0px -55% 0px" });
  const watch = (root) => [root, ...all("section[id]", root)].forEach((section) => links.has(section.id) && watcher.observe(section));

  // Tags: suggested while typing, pasted by the comma; the field itself stays what the form sends.
  const prepareTags = () => {
    const field = form.elements.tags;
    if (!window.TomSelect || !field || field.tomselect) return;
    const between = /[,，、;；\n]/;
    field.value = field.value.split(between).map((tag) => tag.trim()).filter(Boolean).join(",");
    const chosen = new window.TomSelect(field, {
      create: true,
      createOnBlur: true,
      createFilter: (tag) => tag.trim().length > 0 && tag.length <= 100,
      persist: false,
      maxItems: 100,
      delimiter: ",",
      splitOn: between,
      plugins: ["remove_button", "caret_position"],
      preload: "focus",
      loadThrottle: 200,
      openOnFocus: true,
      closeAfterSelect: true,
      // The server ranks; a Chinese tag is found by its first sign.
      score: () => () => 1,
      load: (query, done) => fetch(`${form.dataset.tags}?q=${encodeURIComponent(query)}`, { headers: { Accept: "application/json" }, signal: leaving.signal })
        .then((answer) => answer.json()).then((body) => {
          chosen.clearOptions((option) => chosen.items.includes(option.value));
          done(body.items);
        }).catch(() => done()),
      shouldLoad: () => true,
      render: {
        option_create: (data, escape) => `<div class="create">${escape(words.add.replace("#", data.input))}</div>`,
        no_results: (data, escape) => `<div class="no-results">${escape(words.none)}</div>`,
      },
    });
    // The label belongs to the field in which one types now.
    field.setAttribute("aria-hidden", "true");
    field.setAttribute("tabindex", "-1");
    // A separator ends a tag, in either script and whatever keyboard it comes from.
    chosen.control_input.addEventListener("input", (event) => {
      const typed = chosen.control_input.value;
      if (event.isComposing || !between.test(typed)) return;
      chosen.setTextboxValue("");
      typed.split(between).map((tag) => tag.trim()).filter(Boolean).forEach((tag) => chosen.createItem(tag));
    });
  };

  const prepare = (root) => {
    readyPreviews(root);
    watch(root);
  };
  // Who is led to a field (a reason, what is missing) writes in it at once; what folds it opens.
  // "#asked" is the first reason, or all of them where that one has its place on another page.
  const enter = () => {
    const first = location.hash === "#asked" && one(".feedback [data-first]")?.hash;
    const hash = first || location.hash;
    const place = hash.startsWith("#field-") && document.getElementById(decodeURIComponent(hash.slice(1)));
    if (!place) return;
    for (let fold = place.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    const field = [...place.querySelectorAll("input, textarea, select")].find((one) => one.type !== "hidden" && one.tabIndex >= 0 && !one.disabled);
    field?.focus({ preventScroll: true });
    place.scrollIntoView({ block: "start" });
  };
  window.addEventListener("hashchange", enter);

  prepareTags();
  prepare(document);
  enter();
  // Once it has scrolled to "#asked", which nobody can write in, the browser takes the focus away again.
  const enterAgain = () => document.activeElement === document.body && enter();
  window.addEventListener("load", () => requestAnimationFrame(() => requestAnimationFrame(enterAgain)));
  mark();
})();
