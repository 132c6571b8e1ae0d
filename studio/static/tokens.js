// How long a text is, and about how many tokens a language model counts in it: the estimate of `rules.tokens` in
// `studio/authoring`, sign by sign (a test compares both). Loaded by pages, and by the editor as a worker, so that
// counting never holds up typing.
((scope) => {
  "use strict";
  const WIDE = /[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]/g;
  const PAIRS = /[\ud800-\udbff][\udc00-\udfff]/g;
  const matches = (text, pattern) => {
    let count = 0;
    pattern.lastIndex = 0;
    while (pattern.exec(text)) count += 1;
    return count;
  };
  const length = (text) => text.length - matches(text, PAIRS);
  const tokens = (text) => {
    const wide = matches(text, WIDE);
    return wide + Math.ceil((length(text) - wide) / 4);
  };
  scope.studioTokens = { length, tokens };
  if (typeof document === "undefined" && typeof scope.postMessage === "function") {
    scope.addEventListener("message", ({ data }) =>
      scope.postMessage({ id: data.id, turn: data.turn, length: length(data.text), tokens: tokens(data.text) }));
  }
})(globalThis);
