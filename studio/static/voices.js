// Voices: what a slider stands at, and a waveform that shows and moves the player's place. Without it, sliders and players work as they are.
(() => {
  "use strict";
  const playerOf = (wave) => wave.closest(".speech")?.querySelector("audio");
  const tried = new Set();

  document.addEventListener("input", (event) => {
    if (!event.target.matches("[data-slider]")) return;
    const output = event.target.closest(".slider")?.querySelector("output");
    if (output) output.textContent = Number(event.target.value).toFixed(2);
  });

  // Events of players do not bubble; they are heard on their way down.
  document.addEventListener("timeupdate", (event) => {
    const audio = event.target;
    const wave = audio.closest?.(".speech")?.querySelector("[data-wave]");
    if (!wave || !audio.duration) return;
    const width = wave.viewBox.baseVal.width;
    wave.querySelector(".wave-done").setAttribute("width", String((width * audio.currentTime) / audio.duration));
  }, true);
  // One voice at a time.
  document.addEventListener("play", (event) => {
    document.querySelectorAll(".speech audio").forEach((other) => other !== event.target && other.pause());
  }, true);
  // A link to audio lasts ten minutes: a page that stood open longer gets a new one, once.
  document.addEventListener("error", (event) => {
    const speech = event.target.matches?.(".speech audio") && event.target.closest(".speech");
    if (!speech || !speech.dataset.state || tried.has(speech.id)) return;
    tried.add(speech.id);
    window.htmx.ajax("GET", speech.dataset.state, { target: speech, swap: "outerHTML" });
  }, true);

  document.addEventListener("click", (event) => {
    const wave = event.target.closest?.("[data-wave]");
    const audio = wave && playerOf(wave);
    if (!audio || !audio.duration) return;
    const box = wave.getBoundingClientRect();
    audio.currentTime = (audio.duration * (event.clientX - box.left)) / box.width;
    audio.play().catch(() => {});
  });

  // Whoever pressed "Listen" wants to hear it; where the browser will not play by itself, the player stands there.
  const play = () => document.querySelectorAll("audio[data-plays]").forEach((audio) => {
    audio.removeAttribute("data-plays");
    audio.closest(".speech")?.scrollIntoView({ block: "nearest" });
    audio.play().catch(() => {});
  });
  document.addEventListener("htmx:afterSettle", play);
})();
