// The player: one song at a time, which goes on while the listener browses (browse.js exchanges
// #page and leaves the player alone). Without this file a song's link leads to its audio.
"use strict";

(() => {
  const bar = document.getElementById("player");
  if (!bar) return;
  const audio = bar.querySelector("audio");
  const part = (name) => bar.querySelector(`[data-player=${name}]`);
  const KEPT = "player"; // in sessionStorage: what plays goes on after a page was loaded anew
  const ASK_AGAIN = 1500; // ms between two questions for waveforms
  const GIVE_UP = 5000; // ms: a second error within this time is shown
  let queue = []; // {audio, title, page, cover, seconds, waveform, drawing}
  let at = -1; // the song of the queue that plays
  let position = 0; // seconds; known also after an error, which resets the element's own
  let renewed = 0; // when an expired link was last asked for anew
  let closed = true;

  const now = () => queue[at];
  const length = () => (Number.isFinite(audio.duration) && audio.duration) || now()?.seconds || 0;
  const clock = (s) => `${Math.floor(s / 60)}:${String(Math.floor(s % 60)).padStart(2, "0")}`;
  const inWords = (s) => `${Math.floor(s / 60)} min ${Math.floor(s % 60)} s`;

  // --- what is played ---

  function songOf(link) {
    const { title, page, cover, seconds, waveform, drawing } = link.dataset;
    return { audio: link.getAttribute("href"), title, page, cover, seconds: Number(seconds), waveform, drawing };
  }

  function songsOfPage() {
    const seen = new Map();
    for (const link of document.querySelectorAll("[data-play]")) {
      const song = songOf(link);
      if (!seen.has(song.audio)) seen.set(song.audio, song);
    }
    return [...seen.values()];
  }

  function choose(link, from = 0) {
    const song = songOf(link);
    if (now()?.audio === song.audio && !closed) return from ? seek(from) : toggle();
    queue = songsOfPage();
    play(queue.findIndex((other) => other.audio === song.audio), from);
  }

  function play(index, from = 0) {
    if (!queue[index]) return;
    at = index;
    renewed = 0;
    load(from);
    start();
    say(`Playing “${now().title}”.`);
  }

  function load(from, again = "") {
    position = from;
    closed = false;
    audio.src = now().audio + again;
    if (from) audio.addEventListener("loadedmetadata", () => { audio.currentTime = from; }, { once: true });
    show();
  }

  function start() {
    const begun = audio.play();
    if (begun) begun.catch(show); // the browser wants a click first, or `error` comes
  }

  function toggle() {
    if (closed || at < 0) return;
    if (audio.paused) start();
    else audio.pause();
  }

  function seek(seconds) {
    position = Math.max(0, Math.min(seconds, length()));
    audio.currentTime = position;
    show();
  }

  function step(by) {
    if (by < 0 && (position > 4 || at === 0)) return seek(0);
    play(at + by);
  }

  function close() {
    closed = true;
    audio.pause();
    audio.removeAttribute("src");
    audio.load();
    sessionStorage.removeItem(KEPT);
    show();
  }

  // A link to a bucket lives for some minutes. When it has ended, the site is asked for another.
  audio.addEventListener("error", () => {
    if (closed || !audio.getAttribute("src")) return;
    if (Date.now() - renewed < GIVE_UP) return say(`“${now().title}” cannot be played just now.`), show();
    renewed = Date.now();
    load(position, `?again=${renewed}`);
    start();
  });

  audio.addEventListener("timeupdate", () => {
    if (closed || audio.error || !audio.currentTime) return;
    position = audio.currentTime;
    show();
  });
  for (const name of ["play", "pause", "durationchange", "volumechange"]) audio.addEventListener(name, () => show());
  audio.addEventListener("ended", () => (queue[at + 1] ? play(at + 1) : (position = 0, show())));

  // --- what is shown ---

  function say(sentence) {
    part("news").textContent = sentence;
  }

  // Bars of a waveform: base64, a byte a bar. Without one, a line of even bars.
  function bars(waveform) {
    let peaks;
    try {
      peaks = [...atob(waveform || "")].map((c) => c.charCodeAt(0));
    } catch { peaks = []; }
    if (!peaks.length) peaks = Array(96).fill(24);
    const step = 640 / peaks.length;
    return peaks.map((peak, n) => {
      const half = Math.max(1.5, (peak / 255) * 23);
      return `M${(n * step + step / 2).toFixed(1)} ${(24 - half).toFixed(1)}v${(half * 2).toFixed(1)}`;
    }).join("");
  }

  function show() {
    bar.hidden = closed;
    const song = now();
    document.documentElement.classList.toggle("has-player", !closed);
    if (song && !closed) showSong(song);
    markPage(song);
    keep();
    tellSystem(song);
  }

  function showSong(song) {
    const whole = length();
    if (bar.dataset.shows !== song.audio) {
      bar.dataset.shows = song.audio;
      part("title").textContent = song.title;
      part("page").href = song.page;
      window.htmx?.process(part("page")); // it keeps the address that it saw first
      part("cover").hidden = !song.cover;
      if (song.cover) part("cover").src = song.cover;
      draw(bar, song.waveform);
    }
    bar.classList.toggle("is-playing", !audio.paused);
    part("toggle").setAttribute("aria-label", audio.paused ? "Play" : "Pause");
    part("next").disabled = !queue[at + 1];
    part("time").textContent = clock(position);
    part("length").textContent = clock(whole);
    part("seek").max = Math.max(1, Math.floor(whole));
    part("seek").value = Math.floor(position);
    part("seek").setAttribute("aria-valuetext", `${inWords(position)} of ${inWords(whole)}`);
    const quiet = audio.muted || !audio.volume;
    bar.classList.toggle("is-muted", quiet);
    part("mute").setAttribute("aria-pressed", String(quiet));
    part("volume").value = audio.muted ? 0 : Math.round(audio.volume * 100);
    played(bar.querySelector(".wave"), position, whole);
  }

  function draw(wave, waveform) {
    for (const path of wave.querySelectorAll("path[class^=wave]")) path.setAttribute("d", bars(waveform));
  }

  function played(wave, seconds, whole) {
    wave.style.setProperty("--played", `${whole ? (seconds / whole) * 100 : 0}%`);
  }

  // The links of the page: which one plays.
  function markPage(song) {
    for (const link of document.querySelectorAll("[data-play]")) {
      const own = !closed && song?.audio === link.getAttribute("href");
      const plays = own && !audio.paused;
      link.setAttribute("role", "button");
      link.classList.toggle("is-playing", plays);
      const word = link.querySelector("[data-play-word]");
      if (word) word.textContent = plays ? "Pause" : (link.dataset.word ??= word.textContent);
      link.setAttribute("aria-label", `${plays ? "Pause" : word?.textContent ?? "Play"} ${link.dataset.title}`);
    }
    for (const wave of document.querySelectorAll("[data-waveform-of]")) {
      const own = !closed && song?.audio === wave.dataset.waveformOf;
      played(wave, own ? position : 0, own ? length() : 0);
    }
  }

  // --- waveforms that come later (data-drawing: from where) ---

  async function askForWaveforms() {
    const songs = [...document.querySelectorAll("[data-drawing]")].map(songOf).concat(now() ?? []);
    for (const address of new Set(songs.map((song) => song.drawing).filter(Boolean))) {
      const answer = await fetch(address).catch(() => null);
      if (answer && answer.status !== 204) drawn(address, answer.ok ? await answer.text() : "");
    }
    setTimeout(askForWaveforms, ASK_AGAIN);
  }

  function drawn(address, waveform) {
    for (const link of document.querySelectorAll(`[data-drawing="${CSS.escape(address)}"]`)) {
      const { audio } = songOf(link);
      delete link.dataset.drawing;
      link.dataset.waveform = waveform;
      document.querySelectorAll(`[data-waveform-of="${CSS.escape(audio)}"]`).forEach((wave) => draw(wave, waveform));
    }
    for (const song of queue.filter((other) => other.drawing === address)) Object.assign(song, { waveform, drawing: "" });
    if (!closed && now()) draw(bar, now().waveform);
    keep();
  }

  // --- the keys of the keyboard and of the system ---

  function tellSystem(song) {
    const session = navigator.mediaSession;
    if (!session) return;
    session.playbackState = closed ? "none" : audio.paused ? "paused" : "playing";
    if (!song || closed) return;
    if (session.metadata?.title !== song.title) {
      const artwork = song.cover ? [{ src: song.cover, sizes: "512x512" }] : [];
      session.metadata = new MediaMetadata({ title: song.title, artist: "MelodyMaker", artwork });
    }
    if (length()) session.setPositionState?.({ duration: length(), position: Math.min(position, length()) });
  }

  const acts = {
    play: start, pause: () => audio.pause(), stop: close,
    previoustrack: () => step(-1), nexttrack: () => step(1),
    seekbackward: (e) => seek(position - (e.seekOffset || 10)),
    seekforward: (e) => seek(position + (e.seekOffset || 10)),
    seekto: (e) => seek(e.seekTime),
  };
  for (const [name, act] of Object.entries(acts)) {
    try { navigator.mediaSession?.setActionHandler(name, act); } catch { /* not every browser has each */ }
  }

  const buttons = {
    toggle, previous: () => step(-1), next: () => step(1), close,
    mute: () => { audio.muted = !audio.muted; },
  };
  bar.addEventListener("click", (event) => buttons[event.target.closest("button")?.dataset.player]?.());
  bar.addEventListener("input", (event) => {
    if (event.target === part("seek")) seek(Number(event.target.value));
    if (event.target !== part("volume")) return;
    audio.muted = false;
    audio.volume = Number(event.target.value) / 100;
  });
  bar.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = { n: buttons.next, p: buttons.previous, m: buttons.mute, " ": toggle }[event.key.toLowerCase()];
    if (!act || (event.key === " " && event.target.matches("button, a"))) return;
    event.preventDefault();
    act();
  });

  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-play]");
    if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      return choose(link);
    }
    const wave = event.target.closest("[data-waveform-of]");
    const other = wave && document.querySelector(`[data-play][href="${CSS.escape(wave.dataset.waveformOf)}"]`);
    if (!other) return;
    const box = wave.getBoundingClientRect();
    const there = (event.clientX - box.left) / box.width;
    choose(other, Math.max(0.01, there * (Number(other.dataset.seconds) || 0)));
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== " " || !event.target.matches?.("[data-play]")) return;
    event.preventDefault();
    choose(event.target);
  });

  // --- across pages ---

  function keep() {
    if (closed) return;
    const kept = { listener: bar.dataset.listener, queue, at, position, plays: !audio.paused, volume: audio.volume, muted: audio.muted };
    sessionStorage.setItem(KEPT, JSON.stringify(kept));
  }

  function goOn() {
    let kept;
    try { kept = JSON.parse(sessionStorage.getItem(KEPT)); } catch { /* nothing that can be read */ }
    if (!kept || kept.listener !== bar.dataset.listener || !kept.queue?.[kept.at]) return sessionStorage.removeItem(KEPT);
    ({ queue, at } = kept);
    audio.volume = kept.volume;
    audio.muted = kept.muted;
    load(kept.position);
    if (kept.plays) start();
  }

  // The music ends with the session.
  document.addEventListener("submit", (event) => { if (event.target.matches("[data-sign-out]")) close(); });
  document.addEventListener("htmx:afterSettle", () => markPage(now()));
  goOn();
  markPage(now());
  askForWaveforms();
})();
