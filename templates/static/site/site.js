// What the pages do beyond HTML. Without this file every form still works.
"use strict";

const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.round(seconds % 60)).padStart(2, "0")}`;

// A form marked data-once is sent once: the button rests until the answer is there.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("[data-once]")) return;
  if (form.dataset.sent) return event.preventDefault();
  form.dataset.sent = "yes";
  const button = form.querySelector("button:not([type=button])");
  if (button) button.setAttribute("aria-busy", "true");
  // For Back, which may bring the page with another token than the words were sent with.
  const token = tokenOf(form);
  if (token) history.replaceState({ token: token.value }, "");
});

const tokenOf = (form) => form?.querySelector("[name=form_token]:not([autocomplete=off])");

// Back to a page that was left: its forms may be sent again. A form that is sent as it is asks for
// what it asked for before, and the site does nothing twice. One in which the listener has written
// again is a new wish.
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

// A UUID of version 4; crypto.randomUUID is there on https only.
function newToken() {
  const hex = [...crypto.getRandomValues(new Uint8Array(16))]
    .map((byte, at) => (at === 6 ? (byte & 15) | 64 : at === 8 ? (byte & 63) | 128 : byte))
    .map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

// How many characters are left, what the sliders say.
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
}
document.addEventListener("input", describeFields);

// An idea is added to what is already typed.
document.addEventListener("click", (event) => {
  const idea = event.target.closest("[data-idea]");
  if (!idea) return;
  const area = idea.closest(".field").querySelector("textarea");
  const typed = area.value.trimEnd();
  area.value = typed ? `${typed}, ${idea.dataset.idea}` : idea.dataset.idea;
  area.focus();
  describeFields();
});

// One song plays at a time.
document.addEventListener("play", (event) => {
  for (const audio of document.querySelectorAll("audio")) if (audio !== event.target) audio.pause();
}, true);

// Songs in the making: time goes by between two looks at the server.
function tick() {
  for (const box of document.querySelectorAll("[data-since]")) {
    const seconds = Math.max(0, (Date.now() - Date.parse(box.dataset.since)) / 1000);
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
document.addEventListener("htmx:afterSettle", tick);

// A song that is gone, or a sign-in that has ended: the page itself knows what to say.
document.addEventListener("htmx:responseError", (event) => {
  if (event.detail.xhr.status === 404) location.reload();
});

describeFields();
tick();
document.querySelector(".dialog[data-open]")?.showPopover?.();
document.querySelector("[aria-invalid=true]")?.focus();
