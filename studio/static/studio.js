// What moves on the pages, by attributes that templates set. Everything works without it, less comfortably.
(() => {
  "use strict";
  const one = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  // Who has just ticked a box is not typing.
  const isTyping = (target) => target.closest("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]") !== null;

  // A click outside closes a dialog, but not the second click of two with which it was opened.
  const openedAt = new WeakMap();
  const show = (dialog) => {
    openedAt.set(dialog, performance.now());
    dialog.showModal();
  };
  all("dialog").forEach((found) => found.addEventListener("click", (event) => {
    if (event.target === found && performance.now() - openedAt.get(found) > 500) found.close();
  }));

  // Asking first: data-confirm on a form, a button or a link.
  const dialog = one("#confirm");
  let agreed = null;
  const yes = dialog && one("button[value=yes]", dialog);
  const goesOn = yes?.textContent;
  // The answer says what the pressed button said, and is no warning where that was none.
  const ask = (text, pressed, goOn) => {
    if (!dialog) return window.confirm(text) && goOn();
    one("#confirm-text").textContent = text;
    yes.textContent = pressed?.textContent.trim() || goesOn;
    yes.classList.toggle("btn-success", Boolean(pressed?.classList.contains("btn-success")));
    yes.classList.toggle("btn-danger", !yes.classList.contains("btn-success"));
    dialog.returnValue = "";
    dialog.addEventListener("close", () => dialog.returnValue === "yes" && goOn(), { once: true });
    show(dialog);
  };
  document.addEventListener("submit", (event) => {
    const form = event.target;
    const button = event.submitter;
    const text = button?.dataset.confirm || form.dataset.confirm;
    if (text && agreed !== form) {
      event.preventDefault();
      event.stopImmediatePropagation();
      ask(text, button, () => {
        agreed = form;
        form.requestSubmit(button);
        agreed = null;
      });
    }
  }, true);
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-confirm]");
    if (!link) return;
    event.preventDefault();
    ask(link.dataset.confirm, link, () => window.location.assign(link.href));
  });

  // What can be undone for some seconds counts them down on its button, which goes when they are over.
  all("[data-seconds]").forEach((said) => {
    const button = one("button", said);
    if (!button) return;
    const over = performance.now() + Number(said.dataset.seconds) * 1000;
    const left = document.createElement("span");
    left.className = "undo-left";
    left.setAttribute("aria-hidden", "true");
    button.append(left);
    const tick = () => {
      const seconds = Math.ceil((over - performance.now()) / 1000);
      left.textContent = seconds > 0 ? ` ${seconds}` : "";
      if (seconds > 0) return setTimeout(tick, 250);
      one(".undo-time", said)?.remove();
      button.closest("form").remove();
    };
    tick();
  });

  // A form that guards what was typed goes out only while the studio answers and knows the person: where the line is
  // dead or the session over, sending would take the page away, and the text with it.
  const tell = (text) => {
    const corner = one("#toasts");
    if (!corner || !text || [...corner.children].some((toast) => toast.textContent === text)) return;
    const toast = document.createElement("div");
    toast.className = "toast-item";
    toast.setAttribute("role", "alert");
    toast.dataset.obstacle = "";
    toast.textContent = text;
    corner.append(toast);
  };
  // What stood in the way is gone: so is what was said of it.
  const untell = () => all("#toasts [data-obstacle]").forEach((toast) => toast.remove());
  window.addEventListener("online", untell);
  document.addEventListener("studio:saved", untell);
  const { presence, lostWords, signedOutWords } = document.body.dataset;
  const obstacle = () => fetch(presence, { method: "HEAD", redirect: "manual", cache: "no-store", signal: AbortSignal.timeout(8000) })
    .then((answer) => (answer.type === "opaqueredirect" || answer.status === 401 ? signedOutWords : null), () => lostWords);
  let reached = null;
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || !presence || !form.matches("form[data-guard]") || reached === form) return;
    const button = event.submitter;
    event.preventDefault();
    event.stopImmediatePropagation();
    obstacle().then((words) => {
      untell();
      if (words) return tell(words);
      agreed = reached = form;
      form.requestSubmit(button);
      agreed = reached = null;
    });
  }, true);
  document.addEventListener("htmx:sendError", (event) => event.detail.elt.matches("button, form, input, select") && tell(lostWords));

  // A second press of a button does nothing while the first is under way.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== "post") return;
    if (form.dataset.sent === "yes") {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    const button = event.submitter;
    if (button) setTimeout(() => button.setAttribute("aria-disabled", "true"), 0);
    // An answer that is a download, or none, leaves the page: after a while it may be pressed again.
    setTimeout(() => release(form), 15000);
  });
  const release = (form) => {
    delete form.dataset.sent;
    all("[aria-disabled]", form).forEach((button) => button.removeAttribute("aria-disabled"));
  };
  document.addEventListener("htmx:afterRequest", (event) => {
    const form = event.target.closest?.("form");
    if (form) release(form);
  });
  window.addEventListener("pageshow", () => all("form[data-sent]").forEach(release));

  // Unsaved changes: data-guard on a form.
  const changed = new Set();
  document.addEventListener("input", (event) => {
    const form = event.target.closest("form[data-guard]");
    if (form) changed.add(form);
  });
  // Rows that were added, moved or taken out are changes like any other.
  document.addEventListener("htmx:afterSwap", (event) => {
    const form = event.target.closest?.("form[data-guard]");
    if (form) changed.add(form);
  });
  document.addEventListener("submit", (event) => changed.delete(event.target));
  // What is kept as a draft already is safe: nobody is asked about it.
  window.addEventListener("beforeunload", (event) => {
    if ([...changed].some((form) => !window.studioDrafts?.isKept(form))) event.preventDefault();
  });
  // What a refused save gave back is not saved either, nor is a draft.
  all("form[data-guard]").forEach((form) => (form.hasAttribute("data-dirty") || one("[aria-invalid], .stale", form.parentElement)) && changed.add(form));
  // A refused form is answered by a page that only sending it makes. It takes the place of the page that it was sent from, so
  // that neither Back nor reload asks to send it again; who leaves what they typed there is asked first.
  const arrival = performance.getEntriesByType("navigation")[0];
  const isRefused = arrival?.responseStatus >= 400 && one("form[data-guard]");
  if (isRefused) all("form[data-guard]").forEach((form) => changed.add(form));
  // What is read back before it is done stands where its form stood as well.
  if (isRefused || one("form[data-sent]")) {
    const from = document.referrer.startsWith(`${location.origin}/`) ? document.referrer : location.href;
    history.replaceState(history.state, "", from);
  }

  // Whoever writes a text of their own into a merge has chosen it.
  document.addEventListener("input", (event) => {
    const group = event.target.dataset.picks;
    if (group) one(`[name="${CSS.escape(group)}"][value=own]`, event.target.form).checked = true;
  });

  // Light, dark, or as the device.
  all("[data-theme-form]").forEach((form) => form.addEventListener("submit", (event) => {
    event.preventDefault();
    event.stopImmediatePropagation();
    const body = new FormData(form);
    body.set("value", event.submitter.value);
    window.studioTheme(event.submitter.value);
    all("button", form).forEach((button) => button.setAttribute("aria-pressed", String(button === event.submitter)));
    fetch(form.action, { method: "POST", body, redirect: "manual" });
  }, true));

  // Dialogs: data-open="id" opens one; the palette asks the server while a person types.
  const open = (id) => {
    const found = one(`#${id}`);
    if (!found || found.open) return;
    show(found);
    const field = one("input", found);
    if (!field) return;
    field.value = "";
    field.focus();
    field.dispatchEvent(new CustomEvent("studio:open"));
  };
  all("[data-open]").forEach((button) => {
    button.hidden = false;
    button.addEventListener("click", () => {
      button.closest("details")?.removeAttribute("open");
      open(button.dataset.open);
    });
  });
  document.addEventListener("click", (event) => {
    all("details.menu[open]").forEach((menu) => menu.contains(event.target) || menu.removeAttribute("open"));
  });

  const palette = one("#palette");
  const choices = () => all("#palette-found a");
  const choose = (index) => {
    const found = choices();
    found.forEach((link, place) => link.setAttribute("aria-selected", String(place === index)));
    found[index]?.scrollIntoView({ block: "nearest" });
  };
  palette?.addEventListener("htmx:afterSwap", () => choose(0));
  palette?.addEventListener("keydown", (event) => {
    const found = choices();
    const at = found.findIndex((link) => link.getAttribute("aria-selected") === "true");
    if (event.key === "ArrowDown") choose(Math.min(at + 1, found.length - 1));
    else if (event.key === "ArrowUp") choose(Math.max(at - 1, 0));
    else if (event.key === "Enter" && found[at]) found[at].click();
    else return;
    event.preventDefault();
  });

  // Keys.
  document.addEventListener("keydown", (event) => {
    const key = event.key.toLowerCase();
    if ((event.ctrlKey || event.metaKey) && key === "k") {
      event.preventDefault();
      open("palette");
    } else if ((event.ctrlKey || event.metaKey) && key === "s" && !event.shiftKey) {
      const save = one("[data-save]");
      if (!save) return;
      event.preventDefault();
      save.form ? save.form.requestSubmit(save) : save.click();
    } else if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || one("dialog[open]")) {
      return;
    } else if (event.key === "/") {
      const search = one("[data-search]");
      if (!search) return open("palette");
      event.preventDefault();
      search.focus();
      search.select();
    } else if (event.key === "?") {
      open("keys");
    } else {
      const wanted = one(`[data-key="${CSS.escape(event.key)}"]`);
      if (!wanted) return;
      event.preventDefault();
      isTyping(wanted) ? wanted.focus() : wanted.click();
      if (wanted.matches("summary")) wanted.focus();
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    all("details.menu[open]").forEach((menu) => {
      menu.removeAttribute("open");
      one("summary", menu).focus();
    });
  });

  // Lengths while typing. Tokens are an estimate, made in `tokens.js`.
  const lang = document.documentElement.lang;
  const number = new Intl.NumberFormat(lang);
  const words = JSON.parse(document.body.dataset.countWords || '["#", "#", "#", "#"]');
  const { length: lengthOf, tokens } = window.studioTokens;
  const count = (output) => {
    const field = document.getElementById(output.dataset.counts);
    if (!field) return;
    const length = lengthOf(field.value);
    const most = Number(field.getAttribute("maxlength") || field.dataset.limit || 0);
    const limit = most > 0 ? ` / ${number.format(most)}` : "";
    const signs = words[length === 1 && !limit ? 2 : 0].replace("#", number.format(length) + limit);
    if ("signsOnly" in output.dataset) output.textContent = signs;
    else {
      const spent = tokens(field.value);
      output.textContent = `${signs} · ${words[spent === 1 ? 3 : 1].replace("#", number.format(spent))}`;
    }
    output.classList.toggle("is-much", most > 0 && length > most * 0.9);
    output.classList.toggle("is-over", most > 0 && length > most);
    // A field that grows with its text is laid out anew at each key: a long one has a height of its own.
    field.classList.toggle("is-long", length > 20000);
  };
  all("[data-counts]").forEach((output) => {
    if (document.getElementById(output.dataset.counts)?.value.length > 20000) count(output);
  });
  // A short text is counted at once, a long one after a pause in typing.
  const counting = new Map();
  document.addEventListener("input", (event) => {
    const output = event.target.id && one(`[data-counts="${CSS.escape(event.target.id)}"]`);
    if (!output) return;
    clearTimeout(counting.get(output));
    if (event.target.textLength < 5000) count(output);
    else counting.set(output, setTimeout(count, 150, output));
  });

  // Drop zones: a label with data-drop around a file field.
  const prepareDrop = (zone) => {
    const input = one("input[type=file]", zone);
    const name = one("[data-drop-name]", zone);
    const show = () => {
      if (name) name.textContent = [...input.files].map((file) => file.name).join(", ");
      if (zone.hasAttribute("data-drop-send") && input.files.length) input.form.requestSubmit();
    };
    input.addEventListener("change", show);
    for (const kind of ["dragenter", "dragover"]) zone.addEventListener(kind, (event) => {
      event.preventDefault();
      zone.classList.add("is-over");
    });
    for (const kind of ["dragleave", "drop"]) zone.addEventListener(kind, () => zone.classList.remove("is-over"));
    zone.addEventListener("drop", (event) => {
      event.preventDefault();
      if (!event.dataTransfer.files.length) return;
      input.files = event.dataTransfer.files;
      input.dispatchEvent(new Event("change", { bubbles: true }));
    });
  };

  // Fields that are filled while typing (Tom Select) and charts (Chart.js): pages that use them load their files.
  const preparePicker = (select) => {
    if (!window.TomSelect || select.tomselect) return;
    new window.TomSelect(select, {
      valueField: "value",
      labelField: "text",
      searchField: "text",
      maxOptions: 20,
      load: (query, done) => fetch(`${select.dataset.picker}${select.dataset.picker.includes("?") ? "&" : "?"}q=${encodeURIComponent(query)}`)
        .then((answer) => answer.json()).then((body) => done(body.items)).catch(() => done()),
    });
  };
  const prepareChart = (canvas) => {
    if (!window.Chart) return;
    const style = getComputedStyle(document.documentElement);
    const values = JSON.parse(canvas.dataset.values);
    new window.Chart(canvas, {
      type: canvas.dataset.chart || "bar",
      data: {
        labels: values.labels,
        datasets: [{ data: values.values, label: values.label || "", backgroundColor: style.getPropertyValue("--accent"), borderRadius: 4, maxBarThickness: 22 }],
      },
      options: {
        animation: false,
        maintainAspectRatio: false,
        plugins: { legend: { display: false } },
        scales: {
          x: { grid: { display: false }, ticks: { color: style.getPropertyValue("--ink-2"), maxTicksLimit: 8 } },
          y: { beginAtZero: true, suggestedMax: values.at_least, title: { display: Boolean(values.unit), text: values.unit || "", color: style.getPropertyValue("--ink-2") }, ticks: { precision: 0, color: style.getPropertyValue("--ink-2") }, grid: { color: style.getPropertyValue("--line") } },
        },
      },
    });
  };

  const prepare = (root) => {
    all("[data-counts]", root).forEach(count);
    all("[data-drop]", root).forEach(prepareDrop);
    all("select[data-picker]", root).forEach(preparePicker);
    all("canvas[data-chart]", root).forEach(prepareChart);
  };
  prepare(document);
  document.addEventListener("htmx:load", (event) => event.target !== document.body && prepare(event.target));

  // What the server said of a part of a page stands a while in the corner, above a bar of buttons at the foot.
  const corner = one("#toasts") || document.createElement("div");
  const above = () => {
    if (!corner.childElementCount) return;
    const height = window.innerHeight;
    const tops = all(".form-buttons, .bulk, .lore-bulk, .lore-actions, .chat-composer")
      .map((bar) => bar.getBoundingClientRect())
      .filter((bar) => bar.height && bar.top < height && bar.bottom > height - 140)
      .map((bar) => height - bar.top);
    corner.style.setProperty("--foot", `${Math.min(Math.max(0, ...tops), height / 2)}px`);
  };
  const grown = new ResizeObserver(above);
  new MutationObserver((changes) => changes.forEach(({ addedNodes }) => addedNodes.forEach((node) => {
    setTimeout(() => node.remove?.(), 9000);
    all(".form-buttons, .bulk, .lore-bulk, .lore-actions, .chat-composer").forEach((bar) => grown.observe(bar));
    above();
  }))).observe(corner, { childList: true });
  for (const kind of ["scroll", "resize"]) window.addEventListener(kind, above, { passive: true });
  // An open menu in a part that is replaced stays open.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const menu = one("details.menu", event.detail.target);
    event.detail.target.dataset.wasOpen = menu?.open ? "yes" : "";
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    const menu = one("details.menu", event.detail.target);
    if (menu && event.detail.target.dataset.wasOpen === "yes") menu.setAttribute("open", "");
  });
})();
