// Trusted Types: every text that a script (ours, htmx, Tom Select) turns into HTML is cleaned here first.
// The server escapes what people wrote; this is the second net, for what it might have missed.
(() => {
  "use strict";
  if (!window.trustedTypes) return;
  const inert = window.trustedTypes.createPolicy("greenroom", { createHTML: (text) => text });
  const FORBIDDEN = "script,iframe,object,embed,base,link,meta,style";
  const clean = (root) => {
    for (const element of root.querySelectorAll("*")) {
      if (element.matches(FORBIDDEN)) {
        element.remove();
        continue;
      }
      for (const { name, value } of [...element.attributes]) {
        const isHandler = /^on/i.test(name) || /^(data-)?hx-on/i.test(name);
        const runs = /^(href|src|action|formaction|xlink:href)$/i.test(name) && /^\s*(javascript|vbscript|data:text)/i.test(value);
        if (isHandler || runs || name === "style") element.removeAttribute(name);
      }
      if (element.localName === "template") clean(element.content);
    }
  };
  // The one worker: it counts tokens beside the page, and nothing else is loaded as code by a script.
  const isWorker = (url) => url.origin === window.location.origin && /\/static\/tokens\.js$/.test(url.pathname);
  window.trustedTypes.createPolicy("default", {
    createScriptURL: (text) => (isWorker(new URL(text, window.location.href)) ? text : null),
    createHTML: (text) => {
      if (!text.includes("<")) return text;
      const holder = document.createElement("template");
      holder.innerHTML = inert.createHTML(text);
      clean(holder.content);
      return holder.innerHTML;
    },
  });
})();
