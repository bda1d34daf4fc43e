// Public songs: tell the site that one was heard. Without this file they play all the same.
"use strict";

const HEARD = 5; // seconds of sound that make a play
const AGAIN = 30 * 60 * 1000; // ms; the site counts no second play before
const told = new Map(); // when this page told of which song

// `played` has the parts that were heard: a jump to the end is no play.
document.addEventListener("timeupdate", ({ target: audio }) => {
  const { pathname } = new URL(audio.currentSrc || "about:blank", location);
  if (!/^\/listen\/[0-9a-f-]{36}\/audio$/.test(pathname)) return;
  if (Date.now() - (told.get(pathname) ?? 0) < AGAIN) return;
  let seconds = 0;
  for (let at = 0; at < audio.played.length; at++) seconds += audio.played.end(at) - audio.played.start(at);
  if (seconds < HEARD) return;
  told.set(pathname, Date.now());
  const token = document.querySelector("[name=csrfmiddlewaretoken]");
  const headers = token ? { "X-CSRFToken": token.value } : {};
  fetch(pathname.replace(/audio$/, "play"), { method: "POST", headers, keepalive: true }).catch(() => {});
}, true);

// Select the whole address of a song, to be copied.
document.addEventListener("focusin", ({ target }) => {
  if (target.id === "public-address") target.select();
});
