// Test chat: sends what a person says, shows the answer while it is written, and stops it. Without it the forms work as forms.
(() => {
  "use strict";
  const one = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const chat = () => one("#test-chat");
  let under = null;

  // What is typed survives a reload and a refusal; it is forgotten when it was said.
  const key = () => `chat:${chat()?.dataset.page || ""}`;
  const keep = (text) => {
    try {
      text ? sessionStorage.setItem(key(), text) : sessionStorage.removeItem(key());
    } catch { /* A browser that keeps nothing keeps nothing. */ }
  };
  const kept = () => {
    try {
      return sessionStorage.getItem(key()) || "";
    } catch {
      return "";
    }
  };
  // Near the limit, and beyond it, stands how long the text is; the server refuses what is longer and nothing is cut.
  const room = () => {
    const field = one("[data-chat-text]");
    const told = one("[data-chat-room]");
    if (!field || !told) return;
    const length = [...field.value.trim()].length;
    const most = Number(field.dataset.limit);
    const number = new Intl.NumberFormat(document.documentElement.lang);
    told.hidden = length < most * 0.9;
    told.classList.toggle("is-over", length > most);
    told.textContent = told.hidden ? "" : told.dataset.words.replace("#1", number.format(length)).replace("#2", number.format(most));
  };
  const toEnd = () => {
    const log = one("#chat-log");
    if (log) log.scrollTop = log.scrollHeight;
  };
  const settle = () => {
    const text = one("[data-chat-text]");
    if (text && !text.value) text.value = kept();
    room();
    toEnd();
    unsaved();
  };

  const tell = (words) => {
    const problem = one("[data-chat-problem]");
    if (!problem) return;
    problem.textContent = words || "";
    problem.hidden = !words;
  };
  const busy = (is) => {
    const stop = one("[data-chat-stop]");
    const send = one("[data-chat-send]");
    if (stop) stop.hidden = !is;
    if (send) send.hidden = is;
    all("form[data-stream] button:not([data-chat-stop])", chat() || document).forEach((button) => { button.disabled = is; });
  };

  const bubble = (role, who, words) => {
    const box = document.createElement("article");
    box.className = `chat-message is-${role}`;
    const name = document.createElement("h3");
    name.className = "chat-who";
    name.textContent = who;
    const text = document.createElement("div");
    text.className = "chat-text";
    text.textContent = words;
    box.append(name, text);
    return { box, text };
  };
  const names = () => ({
    user: one('.chat-setup-form input[name="user_name"]')?.value || "",
    char: one(".chat-title strong")?.textContent || "",
  });

  // The chat as the server has it; what is typed below stays.
  const reload = (page) => window.htmx.ajax("GET", page, { target: "#chat-log", select: "#chat-log", swap: "outerHTML" }).then(() => {
    toEnd();
    return inspectAgain(page);
  });

  // What the inspector showed may have been said anew: it shows the answer that stands there now, or nothing.
  const inspectAgain = (page) => {
    const position = one("#chat-inspector")?.dataset.position;
    if (position === undefined) return undefined;
    const link = one(`.chat-message[data-position="${CSS.escape(position)}"] a[hx-target="#chat-inspector"]`);
    return link
      ? window.htmx.ajax("GET", link.getAttribute("hx-get"), { target: "#chat-inspector", swap: "outerHTML" })
      : window.htmx.ajax("GET", page, { target: "#chat-inspector", select: "#chat-inspector", swap: "outerHTML" });
  };

  const show = (form, said) => {
    const log = one("#chat-log");
    one(".chat-empty", log)?.remove();
    const message = form.closest(".chat-message");
    if (message) {
      // What is written anew, or follows what is edited, makes room.
      const from = Number(message.dataset.position) + (message.classList.contains("is-user") && said === null ? 1 : 0);
      all(".chat-message", log).filter((other) => Number(other.dataset.position) >= from).forEach((other) => other.remove());
    }
    if (said !== null) log.append(bubble("user", names().user, said).box);
    const answer = bubble("assistant", names().char, "");
    answer.text.classList.add("chat-caret");
    answer.text.setAttribute("aria-busy", "true");
    log.append(answer.box);
    toEnd();
    return answer;
  };

  const lines = async function* (body) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const parts = (rest + value).split("\n");
      rest = parts.pop();
      for (const part of parts) if (part) yield JSON.parse(part);
    }
  };

  const send = async (form) => {
    if (under) return;
    const field = one('[name="text"]', form);
    const said = field ? field.value.trim() : null;
    if (field && !said) return field.focus();
    const page = chat().dataset.page;
    const isComposer = form.matches(".chat-composer");
    under = { stop: null, stopped: false };
    tell("");
    busy(true);
    let answer = null;
    try {
      const sent = await fetch(form.action, {
        method: "POST",
        body: new FormData(form),
        headers: { Accept: "application/x-ndjson, application/json" },
        redirect: "manual",
      });
      if (!sent.ok || !sent.body) {
        const told = await sent.json().catch(() => ({}));
        tell(told.error || chat().dataset.stopped);
        return;
      }
      if (isComposer) {
        field.value = "";
        keep("");
        room();
      }
      answer = show(form, said);
      for await (const line of lines(sent.body)) {
        if (line.kind === "begin") {
          under.stop = line.stop;
          if (under.stopped) halt();
        } else if (line.kind === "delta") {
          const log = one("#chat-log");
          const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
          answer.text.textContent += line.text;
          if (isAtEnd) toEnd();
        }
      }
      await reload(page);
    } catch {
      tell(chat()?.dataset.stopped);
      if (answer) answer.text.classList.remove("chat-caret");
    } finally {
      under = null;
      busy(false);
      if (isComposer) one("[data-chat-text]")?.focus({ preventScroll: true });
    }
  };

  const token = () => one('#test-chat input[name="csrf_token"]')?.value || "";
  const halt = () => {
    if (!under) return;
    under.stopped = true;
    if (!under.stop) return;
    const body = new FormData();
    body.set("csrf_token", token());
    fetch(under.stop, { method: "POST", body, headers: { Accept: "application/x-ndjson" } }).catch(() => {});
  };

  document.addEventListener("submit", (event) => {
    if (!event.target.matches("#test-chat form[data-stream]")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    send(event.target);
  }, true);
  document.addEventListener("click", (event) => event.target.closest("[data-chat-stop]") && halt());
  document.addEventListener("input", (event) => {
    if (event.target.matches("[data-chat-text]")) {
      keep(event.target.value);
      room();
    }
    if (event.target.form?.id === "editor") unsaved();
  });
  document.addEventListener("keydown", (event) => {
    // A key that chooses a Chinese word sends nothing.
    if (event.isComposing) return;
    if (event.key === "Escape" && under) {
      event.preventDefault();
      halt();
    } else if (event.key === "Enter" && !event.shiftKey && event.target.matches("[data-chat-text]")) {
      event.preventDefault();
      event.target.form.requestSubmit();
    }
  });

  // Beside the editor: the chat is with what is saved, and says how much is not.
  const stateOf = (field) => (field.type === "checkbox" || field.type === "radio" ? String(field.checked) : field.value);
  const asSent = (field) => {
    if (field.type === "checkbox" || field.type === "radio") return String(field.defaultChecked);
    if (field.tagName === "SELECT") return ([...field.options].find((option) => option.defaultSelected) || field.options[0])?.value ?? "";
    return field.defaultValue;
  };
  // What other scripts made of a field before anybody touched it (tags, say) is no change.
  const before = new WeakMap();
  window.addEventListener("load", () => all("form#editor [name]").forEach((field) => before.set(field, stateOf(field))));
  const savedOf = (field) => (before.has(field) ? before.get(field) : asSent(field));
  const unsaved = () => {
    const note = one("#chat-unsaved");
    const form = one("form#editor");
    if (!note || !form) return;
    const changed = all("textarea[name], input[name]:not([type=hidden]), select[name]", form).filter((field) => stateOf(field) !== savedOf(field)).length;
    // What a refused save gave back is not saved either.
    const count = Math.max(changed, form.hasAttribute("data-dirty") ? 1 : 0);
    const words = chat().dataset;
    note.textContent = count === 1 ? words.unsavedOne : words.unsaved.replace("#", new Intl.NumberFormat(document.documentElement.lang).format(count));
    note.hidden = count === 0;
  };

  const toggle = async (link) => {
    const editor = one(".editor");
    const open = one(".chat-aside");
    if (open) {
      open.hidden = !open.hidden;
    } else {
      const aside = document.createElement("aside");
      aside.className = "chat-aside";
      aside.setAttribute("aria-label", link.textContent.trim());
      editor.append(aside);
      await window.htmx.ajax("GET", link.href, { target: aside, swap: "innerHTML" });
      settle();
    }
    const isOpen = !one(".chat-aside").hidden;
    editor.classList.toggle("has-chat", isOpen);
    link.setAttribute("aria-expanded", String(isOpen));
    if (isOpen) one("[data-chat-text]")?.focus({ preventScroll: true });
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-chat-panel]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    // Where there is no room at the side, the chat is a page of its own.
    if (!one(".editor") || !window.matchMedia("(min-width: 75rem)").matches) return;
    event.preventDefault();
    toggle(link);
  });

  // The choice of a picture opens below its message: it is brought into sight, and the keyboard to it.
  document.addEventListener("htmx:afterSettle", () => {
    const picker = one("[data-picker-of-pictures]:not([data-seen])");
    if (!picker) return;
    picker.dataset.seen = "";
    picker.scrollIntoView({ block: "nearest" });
    (one("button", picker) || picker).focus({ preventScroll: true });
  });
  // So is the form for a picture: its button would lie below the log's edge.
  document.addEventListener("htmx:afterSettle", () => {
    const form = one(".draw-form:not([data-seen])");
    if (!form) return;
    form.dataset.seen = "";
    form.scrollIntoView({ block: "nearest" });
  });
  // A picture that was attached is seen at once, whole, where the log is long.
  document.addEventListener("htmx:afterSettle", (event) => {
    const { verb, path } = event.detail.requestConfig || {};
    if (verb !== "post" || !path.endsWith("/attach")) return;
    [...document.querySelectorAll(`#${event.target.id} .chat-carried`)].at(-1)?.scrollIntoView({ block: "nearest" });
  });
  document.addEventListener("htmx:afterSettle", (event) => event.target.closest?.("#test-chat, .chat-aside") && event.target.id !== "chat-inspector" && event.target.id !== "chat-prompts" && !event.target.closest(".chat-media, .speech") && settle());
  settle();
})();
