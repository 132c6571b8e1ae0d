// Drafts that save themselves: a form with data-autosave="address" is kept there while somebody types, in order, and in this
// browser until the server has it. What the browser keeps stands in a database that names the person: nobody else's page reads it.
(() => {
  "use strict";
  const person = document.documentElement.dataset.person;
  if (!person || !window.indexedDB) return;
  const words = JSON.parse(document.getElementById("autosave-words")?.dataset.words || "{}");
  const QUIET = 2000; // so long after the last change a draft is sent,
  const LONGEST = 10000; // and so long after the first at the latest.
  const AT_ONCE = 300; // The browser itself keeps it after this.
  const MONTH = 30 * 24 * 3600 * 1000;
  const NOT_KEPT = new Set(["csrf_token", "do", "autosave_client", "autosave_continues"]);

  // What this browser keeps.
  const NAME = `greenroom-drafts-${person}`;
  const connect = () => new Promise((resolve, reject) => {
    const request = window.indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore("drafts", { keyPath: ["address", "client"] });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error("blocked"));
  });
  const within = async (mode, work) => {
    const database = await connect();
    try {
      return await new Promise((resolve, reject) => {
        const transaction = database.transaction("drafts", mode);
        const request = work(transaction.objectStore("drafts"));
        transaction.oncomplete = () => resolve(request?.result);
        transaction.onerror = transaction.onabort = () => reject(transaction.error);
      });
    } finally {
      database.close();
    }
  };
  const local = {
    // A browser that may keep nothing (no room, a private window) leaves the server alone with it.
    put: (draft) => within("readwrite", (store) => store.put(draft)).then(() => true, () => false),
    all: () => within("readonly", (store) => store.getAll()).catch(() => []),
    // Gone only if nothing newer was kept in the meantime.
    drop: (draft) => within("readwrite", (store) => {
      const key = [draft.address, draft.client];
      const request = store.get(key);
      request.onsuccess = () => {
        if (request.result && request.result.sequence <= draft.sequence) store.delete(key);
      };
      return request;
    }).catch(() => undefined),
  };
  const forget = () => new Promise((resolve) => {
    const request = window.indexedDB.deleteDatabase(NAME);
    request.onsuccess = request.onerror = request.onblocked = resolve;
    setTimeout(resolve, 500);
  });

  // Sending. Answers: "kept", "closed" (saved or discarded since), "signed-out", "other", "gone", "large", or "lost" (try again).
  let token = document.querySelector("input[name=csrf_token]")?.value || "";
  const post = (draft, options) => fetch(draft.address, {
    method: "POST",
    redirect: "manual",
    headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": token },
    body: JSON.stringify({ person, client: draft.client, sequence: draft.sequence, continues: draft.continues, fields: draft.fields }),
    ...options,
  });
  const isSignedOut = (answer) => answer.type === "opaqueredirect" || answer.status === 401;
  const renewToken = async (address) => {
    const answer = await fetch(address, { redirect: "manual", cache: "no-store", headers: { Accept: "application/json" } });
    if (isSignedOut(answer)) return "signed-out";
    // Somebody who may not even know of the document is somebody else.
    if (answer.status === 404 || answer.status === 403) return "other";
    if (answer.status === 410) return "gone";
    if (!answer.ok) return "lost";
    const told = await answer.json();
    if (told.person !== person) return "other";
    token = told.token;
    document.querySelectorAll("input[name=csrf_token]").forEach((field) => { field.value = token; });
    document.body.setAttribute("hx-headers", JSON.stringify({ "X-CSRFToken": token }));
    return "";
  };
  const send = async (draft, options = {}, isBack = false) => {
    try {
      // Whoever signed in again has a new token.
      if (isBack) {
        const obstacle = await renewToken(draft.address);
        if (obstacle) return obstacle;
      }
      let answer = await post(draft, options);
      if (answer.status === 400) {
        const obstacle = await renewToken(draft.address);
        if (obstacle) return obstacle;
        answer = await post(draft, options);
      }
      if (isSignedOut(answer)) return "signed-out";
      if (answer.status === 409) return "other";
      if (answer.status === 413 || answer.status === 422) return "large";
      if ([403, 404, 410].includes(answer.status)) return "gone";
      if (!answer.ok) return "lost";
      return (await answer.json()).kept === "closed" ? "closed" : "kept";
    } catch {
      return "lost";
    }
  };

  // crypto.randomUUID is there on secure addresses only; a studio on a local network may have none.
  const newId = () => {
    const bytes = [...crypto.getRandomValues(new Uint8Array(16))];
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  };
  const clock = new Intl.DateTimeFormat(document.documentElement.lang, { timeStyle: "medium" });
  const time = () => clock.format(new Date());

  class Draft {
    constructor(form) {
      this.form = form;
      this.address = new URL(form.dataset.autosave, window.location.href).href;
      this.client = newId();
      this.sequence = 0;
      this.continues = [...form.querySelectorAll("[name=autosave_continues]")].map((field) => field.value);
      this.kept = this.snapshot();
      this.attempt = 0;
      this.ended = false;
      const field = document.createElement("input");
      Object.assign(field, { type: "hidden", name: "autosave_client", value: this.client });
      form.append(field);
      this.status = document.createElement("span");
      this.status.className = "autosave-status";
      this.status.setAttribute("role", "status");
      (form.querySelector(".form-buttons") || form).append(this.status);
      // What a refused save or a draft brought is kept by nobody under this page's name yet.
      if (form.hasAttribute("data-dirty") || form.parentElement.querySelector("[aria-invalid], .stale")) {
        this.kept = null;
        this.changed();
      }
    }

    fields() {
      return [...new FormData(this.form)].filter(([name, value]) => typeof value === "string" && !NOT_KEPT.has(name));
    }

    snapshot() {
      return JSON.stringify(this.fields());
    }

    isKept() {
      return this.snapshot() === this.kept;
    }

    record() {
      this.sequence += 1;
      return {
        address: this.address,
        client: this.client,
        sequence: this.sequence,
        continues: this.continues,
        fields: this.fields(),
        at: Date.now(),
      };
    }

    changed() {
      if (this.ended) return;
      clearTimeout(this.soon);
      this.soon = setTimeout(() => this.keepHere(), AT_ONCE);
      this.since ??= Date.now();
      this.plan(Math.min(QUIET, Math.max(0, this.since + LONGEST - Date.now())));
    }

    plan(wait) {
      clearTimeout(this.later);
      this.later = setTimeout(() => this.keep(), wait);
    }

    keepHere() {
      clearTimeout(this.soon);
      return this.ended || this.isKept() ? Promise.resolve(false) : local.put(this.record());
    }

    // One at a time: what is typed meanwhile goes with the next one.
    async keep() {
      clearTimeout(this.later);
      if (this.ended || this.sending) return;
      if (this.isKept()) {
        this.since = undefined;
        return;
      }
      this.sending = true;
      this.since = undefined;
      const draft = this.record();
      const text = JSON.stringify(draft.fields);
      const isHere = await local.put(draft);
      this.cancel = new AbortController();
      const became = await send(draft, { signal: this.cancel.signal }, ["signed-out", "other"].includes(this.status.dataset.state));
      this.sending = false;
      if (this.ended) return;
      if (became === "kept" || became === "closed") {
        this.kept = text;
        this.attempt = 0;
        await local.drop(draft);
        this.say("kept");
        document.dispatchEvent(new Event("studio:saved"));
        if (!this.isKept()) this.changed();
        return;
      }
      this.say(became !== "lost" ? became : !isHere ? "nowhere" : navigator.onLine ? "trying" : "local");
      if (became === "large" || became === "gone") return;
      this.attempt += 1;
      this.plan(Math.min(60000, 2000 * 2 ** Math.min(this.attempt, 5)));
    }

    // When the line is back, or the person may have signed in in another tab.
    again() {
      if (this.attempt && !this.sending) this.keep();
    }

    // The page goes: what is not sent yet is sent along, if it is small enough for that.
    leave() {
      if (this.ended || this.isKept()) return;
      const draft = this.record();
      local.put(draft);
      if (JSON.stringify(draft.fields).length < 15000) send(draft, { keepalive: true });
    }

    end() {
      this.ended = true;
      clearTimeout(this.soon);
      clearTimeout(this.later);
      this.cancel?.abort();
    }

    say(state) {
      if (this.status.dataset.state === state && state !== "kept" && state !== "local") return;
      this.status.dataset.state = state;
      this.status.textContent = (words[state] || "").replace("#", time());
      if (state !== "signed-out" && state !== "other") return;
      const link = document.createElement("a");
      Object.assign(link, { href: "/sign-in", target: "_blank", rel: "noopener", textContent: words["sign-in"] });
      this.status.append(" ", link);
    }
  }

  const drafts = new Map();
  const begin = (root) => root.querySelectorAll("form[data-autosave]").forEach((form) => {
    if (!drafts.has(form)) drafts.set(form, new Draft(form));
  });
  const of = (target) => drafts.get(target?.closest?.("form") || target?.form);
  begin(document);
  for (const kind of ["input", "change"]) document.addEventListener(kind, (event) => of(event.target)?.changed());
  document.addEventListener("htmx:afterSwap", (event) => {
    of(event.target)?.changed();
  });
  document.addEventListener("htmx:load", (event) => begin(event.target));
  // The last listener hears a submit that nobody held up: the form goes out.
  window.addEventListener("submit", (event) => {
    const draft = drafts.get(event.target);
    if (draft && !event.defaultPrevented) {
      draft.leave();
      draft.end();
    }
  });
  const again = () => drafts.forEach((draft) => draft.again());
  window.addEventListener("online", () => {
    again();
    sendKept();
  });
  window.addEventListener("focus", again);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") again();
    else drafts.forEach((draft) => draft.leave());
  });
  window.addEventListener("pagehide", () => drafts.forEach((draft) => draft.leave()));
  // Back from the browser's memory of pages: the page is as it was, and goes on keeping itself.
  window.addEventListener("pageshow", (event) => event.persisted && drafts.forEach((draft) => {
    draft.ended = false;
    draft.changed();
  }));

  // Signing out takes along what this browser keeps of the person.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || !form.matches("form[data-sign-out]") || form.dataset.forgotten) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    form.dataset.forgotten = "yes";
    drafts.forEach((draft) => draft.end());
    forget().then(() => form.requestSubmit(event.submitter));
    // Who was asked, and stays, goes on.
    setTimeout(() => drafts.forEach((draft) => {
      draft.ended = false;
      draft.changed();
    }), 3000);
  }, true);

  // What an earlier page could not send any more (the line was dead, the browser crashed) is sent now, and then offered.
  const sendKept = async () => {
    const own = new Set([...drafts.values()].map((draft) => draft.client));
    // What a form of this page goes on with (a merge holds the text that was sent) stands there already.
    const held = new Set([...drafts.values()].flatMap((draft) => draft.continues));
    let isOffered = false;
    for (const draft of await local.all()) {
      if (own.has(draft.client)) continue;
      if (Date.now() - draft.at > MONTH) {
        await local.drop(draft);
        continue;
      }
      const became = await send(draft);
      if (became === "lost" || became === "signed-out" || became === "other") return;
      if (became === "gone" || became === "large") continue;
      await local.drop(draft);
      isOffered ||= became === "kept" && !held.has(draft.client) && [...drafts.values()].some((one) => one.address === draft.address);
    }
    const place = document.getElementById("recovered");
    if (isOffered && place) {
      window.htmx?.ajax("GET", window.location.href, { target: "#recovered", select: "#recovered", swap: "outerHTML" });
    }
  };
  sendKept();

  window.studioDrafts = { isKept: (form) => drafts.get(form)?.isKept() ?? false };
})();
