"use strict";
// Makes pages live: at each tick of the server the page is asked for again, at most every
// data-every seconds, and what has changed of the parts that are marked data-live is put in.
(() => {
  const root = document.documentElement;
  const main = document.getElementById("main");
  const state = document.getElementById("state");
  const every = Number(main.dataset.every) * 1000;

  // The theme: the system's, or the one that was chosen.
  const themes = ["system", "light", "dark"];
  const themeButton = document.getElementById("theme");
  let theme = "system";
  try { theme = localStorage.getItem("theme") || theme; } catch { /* storage is off */ }
  const wear = () => {
    if (theme === "system") delete root.dataset.theme; else root.dataset.theme = theme;
    themeButton.textContent = "Theme: " + theme;
  };
  themeButton.addEventListener("click", () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    try { localStorage.setItem("theme", theme); } catch { /* storage is off */ }
    wear();
  });
  wear();
  themeButton.hidden = false;
  if (!every) return;

  const say = (text) => { if (state.textContent !== text) state.textContent = text; };
  let paused = false, busy = false, last = performance.now();

  const put = (text) => {
    const page = new DOMParser().parseFromString(text, "text/html");
    for (const now of document.querySelectorAll("[data-live]")) {
      const then = page.querySelector(`[data-live="${CSS.escape(now.dataset.live)}"]`);
      // What has the focus stays: it would be lost.
      if (!then || now.innerHTML === then.innerHTML || now.contains(document.activeElement)) continue;
      for (const name of ["viewBox", "aria-label"]) {
        if (then.hasAttribute(name)) now.setAttribute(name, then.getAttribute(name));
      }
      now.replaceChildren(...then.childNodes);
    }
  };

  const look = async () => {
    const at = performance.now();
    if (paused || busy || document.hidden || at - last < every - 300) return;
    busy = true;
    last = at;
    try {
      // Not location.href, which may have a name and a password in it.
      const answer = await fetch(location.origin + location.pathname + location.search, { cache: "no-store" });
      if (answer.ok) {
        put(await answer.text());
        say("Live.");
      } else {
        say("Not live: the proxy answered " + answer.status + ".");
      }
    } catch {
      say("Not live: the proxy does not answer.");
    }
    busy = false;
  };

  const source = new EventSource("api/v1/live");
  source.addEventListener("open", () => say("Live."));
  source.addEventListener("status", look);
  source.addEventListener("error", () => say("Not live: the proxy does not answer."));

  const pauseButton = document.getElementById("pause");
  pauseButton.addEventListener("click", () => {
    paused = !paused;
    pauseButton.textContent = paused ? "Go on" : "Pause";
    say(paused ? "Paused." : "Live.");
  });
  pauseButton.hidden = false;
})();
