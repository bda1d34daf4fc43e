// The pages' behaviour beyond HTML. Without this file every form still works.
"use strict";

const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.round(seconds % 60)).padStart(2, "0")}`;

// A form with data-once is sent once: its button is busy until the answer comes.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("[data-once]")) return;
  if (form.dataset.sent) return event.preventDefault();
  form.dataset.sent = "yes";
  const button = form.querySelector("button:not([type=button])");
  if (button) button.setAttribute("aria-busy", "true");
  // Keep the token for Back, which may show the page with another token than the form was sent with.
  const token = tokenOf(form);
  if (token) history.replaceState({ ...history.state, token: token.value }, "");
});

const tokenOf = (form) => form?.querySelector("[name=form_token]:not([autocomplete=off])");

// After Back the listener may send the page's forms again. An unchanged form keeps its token, so the
// site recognises the repeat. A changed form is a new wish and gets a new token.
addEventListener("pageshow", (event) => {
  const [navigation] = performance.getEntriesByType("navigation");
  if (!event.persisted && navigation?.type !== "back_forward") return;
  for (const form of document.querySelectorAll("[data-once]")) {
    delete form.dataset.sent;
    form.dataset.back = "yes";
    form.querySelector("[aria-busy]")?.removeAttribute("aria-busy");
    const token = tokenOf(form);
    if (token && history.state?.token) token.value = history.state.token;
  }
  describeFields();
});
document.addEventListener("input", (event) => {
  const form = event.target.closest("[data-back]");
  const token = tokenOf(form);
  if (token) token.value = newToken();
  if (form) delete form.dataset.back;
});

// A UUID of version 4. crypto.randomUUID exists only on https.
function newToken() {
  const hex = [...crypto.getRandomValues(new Uint8Array(16))]
    .map((byte, at) => (at === 6 ? (byte & 15) | 64 : at === 8 ? (byte & 63) | 128 : byte))
    .map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

// Show the length of texts and the values of sliders.
function describeFields() {
  for (const counter of document.querySelectorAll("[data-count-for]")) {
    const area = document.getElementById(counter.dataset.countFor);
    const limit = Number(area.dataset.limit);
    const length = [...area.value].length;
    counter.textContent = `${length.toLocaleString("en")} of ${limit.toLocaleString("en")}`;
    counter.classList.toggle("over", length > limit);
  }
  for (const output of document.querySelectorAll("output[for]")) {
    const value = Number(document.getElementById(output.htmlFor.value).value);
    output.value = "clock" in output.dataset ? clock(value) : value;
  }
  for (const words of document.querySelectorAll("[data-words-for]")) {
    const slider = document.getElementById(words.dataset.wordsFor);
    for (const name of words.dataset.words.split("|")) {
      const [least, said] = name.split(/ (.*)/);
      if (Number(slider.value) >= Number(least)) words.textContent = said;
    }
    slider.setAttribute("aria-valuetext", `${"clock" in (slider.closest(".field").querySelector("output")?.dataset ?? {}) ? `${clock(Number(slider.value))}, ` : ""}${words.textContent}`);
  }
}
document.addEventListener("input", describeFields);
document.addEventListener("draft:restored", describeFields);

// Add an idea to the typed text.
document.addEventListener("click", (event) => {
  const idea = event.target.closest("[data-idea]");
  if (!idea) return;
  const area = idea.closest(".field").querySelector("textarea, input");
  const typed = area.value.trimEnd();
  area.value = typed ? `${typed}, ${idea.dataset.idea}` : idea.dataset.idea;
  area.focus();
  area.dispatchEvent(new Event("input", { bubbles: true }));
});

// Play one song at a time.
document.addEventListener("play", (event) => {
  for (const audio of document.querySelectorAll("audio")) if (audio !== event.target) audio.pause();
}, true);

// The time by the site's clock, which wrote data-now into the element. The device's may be wrong.
const ahead = new WeakMap(); // by element: how far the device's clock is ahead of the site's

function now(element) {
  if (!ahead.has(element)) ahead.set(element, Date.now() - Date.parse(element.dataset.now));
  return Date.now() - ahead.get(element);
}

// Advance the times of songs in the making between two requests.
function tick() {
  for (const note of document.querySelectorAll("[data-deleted]")) {
    if (now(note) - Date.parse(note.dataset.deleted) > 60_000) note.remove(); // it is gone for good
  }
  for (const box of document.querySelectorAll("[data-since]")) {
    const seconds = Math.max(0, (now(box) - Date.parse(box.dataset.since)) / 1000);
    const usual = Number(box.dataset.usual);
    const bar = box.querySelector("progress");
    box.querySelector("[data-elapsed]").textContent = `${clock(Math.floor(seconds))} so far`;
    if (!usual) continue;
    const late = seconds > usual;
    if (late) bar.removeAttribute("value");
    else { bar.max = usual; bar.value = seconds; }
    box.querySelector("[data-in-time]").hidden = late;
    box.querySelector("[data-late]").hidden = !late;
  }
}
setInterval(tick, 1000);
document.addEventListener("htmx:afterSettle", () => { tick(); localTimes(); });

// The song was deleted or the session has ended: the reloaded page says which.
document.addEventListener("htmx:responseError", (event) => {
  if (event.detail.xhr.status === 404 && event.detail.target?.id !== "page") location.reload();
});

// In an open dialog the harmless button has the focus. (`autofocus` would take it from a new page.)
document.addEventListener("toggle", (event) => {
  if (event.newState === "open") event.target.querySelector("[data-focus]")?.focus();
}, true);

// Times in the listener's own zone. Without scripts they are UTC, and say so.
function localTimes() {
  const form = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
  for (const time of document.querySelectorAll("time[datetime]")) {
    const local = form.format(new Date(time.dateTime));
    if ("local" in time.dataset) time.textContent = local;
    else time.title = local;
  }
}

function arrive() {
  localTimes();
  describeFields();
  tick();
  document.querySelector("[aria-invalid=true]")?.focus();
}
document.addEventListener("htmx:afterSettle", (event) => { if (event.target.id === "page") arrive(); });
document.addEventListener("htmx:historyRestore", arrive);
arrive();
