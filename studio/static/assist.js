// Help with writing: a button at each text of the editor. The model's offer is shown as a difference, word by word;
// what is accepted goes into the field as if it were typed, so that undo takes it back. Nothing is saved by it.
(() => {
  "use strict";
  const form = document.querySelector("form#editor[data-assist]");
  if (!form) return;
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "text") element.textContent = value;
      else if (typeof value === "function") element.addEventListener(name, value);
      else if (value === true) element.setAttribute(name, "");
      else if (value !== false && value !== null) element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  };
  const KINDS = { greeting_first: "greeting", greeting_alternate: "greeting", greeting_group_only: "greeting", reply_content: "reply", scene_stage_prompt: "scene", scene_prompt: "scene", stage_prompt: "scene" };
  const PLAIN = ["nickname", "tagline", "description", "personality", "scenario", "relationships", "current_state", "example_dialogue", "system_prompt", "post_history_instructions", "creator_notes"];
  const kindOf = (field) => KINDS[field.name] || (PLAIN.includes(field.name) ? field.name : null);
  let told = null;
  let chosenModel = "";
  const words = async () => {
    if (!told) {
      const answer = await fetch(form.dataset.assist, { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error("words");
      told = await answer.json();
    }
    return told;
  };
  const token = () => form.querySelector('input[name="csrf_token"]').value;

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

  const put = (field, text) => {
    field.focus();
    field.select();
    // Typed and not set: the browser's undo knows it, counters and autosave hear it.
    const isTyped = text ? document.execCommand("insertText", false, text) : document.execCommand("delete");
    if (!isTyped || field.value !== text) {
      field.setRangeText(text, 0, field.value.length, "end");
      field.dispatchEvent(new InputEvent("input", { bubbles: true, inputType: "insertReplacementText" }));
    }
  };

  const decide = (url, outcome) => {
    const body = new FormData();
    body.set("csrf_token", token());
    body.set("outcome", outcome);
    fetch(url, { method: "POST", body }).catch(() => {});
  };

  // One panel below one field.
  const panelOf = (field, { kinds, is_configured: isConfigured, label, models, words: say, ask }) => {
    const status = make("p", { class: "assist-status", role: "status" });
    const body = make("div", { class: "assist-body" });
    const wish = make("input", { class: "form-control", type: "text", maxlength: "500", placeholder: say.wish, "aria-label": say.wish, autocomplete: "off" });
    // A field of its own outside the form's: it is not saved, and guards nothing.
    wish.setAttribute("form", "");
    // Where several models are set up, the one chosen last is kept for the other fields too.
    const model = models.length > 1 ? make("select", { class: "form-select", "aria-label": say.model, form: "" }, ...models.map((name) => make("option", { value: name, text: name }))) : null;
    if (model) {
      model.value = chosenModel || models[0];
      model.addEventListener("change", () => { chosenModel = model.value; });
    }
    let under = null;

    const finish = (text) => {
      body.replaceChildren();
      status.textContent = text;
    };
    const show = (offer, before, urls, kind) => {
      const changes = [];
      const view = make("div", { class: "assist-difference chat-text", tabindex: "0", "aria-label": say.offer });
      offer.pieces.forEach(([change, text], index) => {
        if (change === "same") {
          view.append(make("span", { text }));
          return;
        }
        const previous = offer.pieces[index - 1]?.[0];
        // What went and what came in its place is one change.
        let group = changes.at(-1);
        if (!group || previous === "same" || previous === undefined) {
          group = { pieces: [], box: make("input", { type: "checkbox", class: "form-check-input", checked: true, "aria-label": say.ticked, form: "" }), mark: make("span", { class: "assist-change" }) };
          group.box.addEventListener("change", () => group.mark.classList.toggle("is-off", !group.box.checked));
          group.mark.append(group.box);
          changes.push(group);
          view.append(group.mark);
        }
        group.pieces.push(index);
        group.mark.append(make(change === "gone" ? "del" : "ins", { text }));
      });
      if (!changes.length) {
        decide(urls.decide, "rejected");
        return finish(say.same);
      }
      const chosen = () => {
        const off = new Set(changes.filter(({ box }) => !box.checked).flatMap(({ pieces }) => pieces));
        return offer.pieces.map(([change, text], index) => (change === "same" || (change === "come") !== off.has(index) ? text : "")).join("");
      };
      const accept = (isAll) => {
        const isPartly = !isAll && changes.some(({ box }) => !box.checked);
        put(field, isAll ? offer.text : chosen());
        decide(urls.decide, isPartly ? "partly" : "accepted");
        finish(say.accepted);
      };
      const note = make("p", { class: "form-hint", text: say.changed, hidden: true });
      field.addEventListener("input", () => { note.hidden = field.value === before; });
      status.textContent = offer.facts;
      body.replaceChildren(view, note, make("div", { class: "assist-buttons" },
        make("button", { type: "button", class: "btn btn-primary btn-sm", text: say.accept, click: () => accept(true) }),
        ...(changes.length > 1 ? [make("button", { type: "button", class: "btn btn-outline btn-sm", text: say.accept_parts, click: () => accept(false) })] : []),
        make("button", { type: "button", class: "btn btn-outline btn-sm", text: say.reject, click: () => { decide(urls.decide, "rejected"); finish(""); field.focus(); } }),
        make("button", { type: "button", class: "btn btn-ghost btn-sm", text: say.again, click: () => { decide(urls.decide, "rejected"); run(kind); } })));
      view.focus({ preventScroll: true });
    };

    const run = async (kind) => {
      if (under) return;
      under = {};
      const before = field.value;
      const sent = new FormData();
      for (const [name, value] of Object.entries({ csrf_token: token(), kind, field: kindOf(field), text: before, instruction: wish.value })) sent.set(name, value);
      for (const name of ["name", "tagline", "description", "personality", "scenario", "relationships", "tags"]) sent.set(`card_${name}`, form.elements[name]?.value || "");
      if (model) sent.set("model", model.value);
      sent.set("card_greeting", form.elements.greeting_first?.value || "");
      const preview = make("div", { class: "assist-difference chat-text chat-caret", "aria-busy": "true" });
      let urls = null;
      const stop = make("button", { type: "button", class: "btn btn-danger btn-sm", text: say.stop, click: () => {
        if (!urls) return;
        const halt = new FormData();
        halt.set("csrf_token", token());
        fetch(urls.stop, { method: "POST", body: halt }).catch(() => {});
      } });
      status.textContent = say.working;
      body.replaceChildren(preview, make("div", { class: "assist-buttons" }, stop));
      try {
        const answer = await fetch(ask, { method: "POST", body: sent, headers: { Accept: "application/json" }, redirect: "manual" });
        if (!answer.ok || !answer.body) {
          const refusal = await answer.json().catch(() => ({}));
          return finish(refusal.error || say.failed);
        }
        let isSettled = false;
        for await (const line of lines(answer.body)) {
          if (line.kind === "begin") urls = line;
          else if (line.kind === "delta") preview.textContent += line.text;
          else {
            isSettled = true;
            if (line.kind === "offer") show(line, before, urls, kind);
            else finish(`${line.error}${line.reference ? ` ${say.reference}: ${line.reference}` : ""}`);
          }
        }
        if (!isSettled) finish("");
      } catch {
        finish(say.failed);
      } finally {
        under = null;
      }
    };

    const choices = make("div", { class: "assist-buttons" }, ...kinds.map(({ kind, label: name }) => make("button", { type: "button", class: "btn btn-outline btn-sm", text: name, click: () => run(kind) })));
    const panel = make("div", { class: "assist-panel", role: "group", "aria-label": say.open });
    if (isConfigured) panel.append(choices, wish, ...(model ? [model] : [make("p", { class: "form-hint", text: label })]), status, body);
    else panel.append(make("p", { class: "form-hint", text: label }));
    panel.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target === wish) event.preventDefault();
      if (event.key === "Escape") {
        event.stopPropagation();
        panel.hidden = true;
        field.focus();
      }
    });
    // What is typed in the panel is no change of the form.
    for (const kind of ["input", "change"]) panel.addEventListener(kind, (event) => event.stopPropagation());
    return panel;
  };

  const prepare = (field) => {
    if (field.dataset.assisted || !kindOf(field)) return;
    field.dataset.assisted = "yes";
    const button = make("button", { type: "button", class: "btn btn-ghost btn-sm assist-open", text: form.dataset.assistLabel, "aria-expanded": "false" });
    const holder = field.closest(".field, .row-box") || field.parentElement;
    let panel = null;
    button.addEventListener("click", async () => {
      if (!panel) {
        try {
          panel = panelOf(field, await words());
        } catch {
          return;
        }
        button.after(panel);
      } else panel.hidden = !panel.hidden;
      button.setAttribute("aria-expanded", String(!panel.hidden));
      if (!panel.hidden) panel.querySelector("button, input")?.focus();
    });
    field.after(button);
    holder.classList.add("has-assist");
  };
  const prepareAll = () => all("textarea[name], input[type=text][name], input:not([type])[name]", form).forEach(prepare);
  prepareAll();
  document.addEventListener("htmx:afterSettle", prepareAll);
})();
