// The panel's behaviour beyond HTML. Without this file every page still works: it just stands still.
"use strict";

// --- What moves by itself: [data-live] asks for its own fragment again by htmx. -----------------

const isLive = () => sessionStorage.getItem("live") !== "off";

document.addEventListener("htmx:beforeRequest", (event) => {
  const live = event.target.closest?.("[data-live]");
  if (!live || live !== event.target) return;
  if (document.hidden || !isLive()) return event.preventDefault();
  const typing = document.activeElement?.matches("input:not([type=checkbox]), textarea, select") && live.contains(document.activeElement);
  if (typing || isMarked(live)) {
    event.preventDefault();
    say(live, typing ? "not refreshed while you write" : "not refreshed while you mark a text");
  }
});

// A text that is being marked would be marked no more: it stays for a while, to be copied.
const MARKING = 60_000; // ms
let markedAt = 0;
document.addEventListener("selectionchange", () => { markedAt = Date.now(); });

function isMarked(live) {
  const marked = document.getSelection();
  if (!marked?.rangeCount || marked.isCollapsed || Date.now() - markedAt > MARKING) return false;
  return marked.getRangeAt(0).intersectsNode(live);
}

function say(live, words) {
  const note = live?.querySelector("[data-live-note]");
  if (note && note.textContent !== words) note.textContent = words;
}

document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });

function refresh() {
  for (const live of document.querySelectorAll("[data-live]")) window.htmx?.trigger(live, "refresh");
}

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-live-switch]")) return;
  sessionStorage.setItem("live", isLive() ? "off" : "on");
  describeLive();
  if (isLive()) refresh();
});

function describeLive() {
  for (const button of document.querySelectorAll("[data-live-switch]")) {
    button.hidden = false;
    button.setAttribute("aria-pressed", isLive());
    button.textContent = isLive() ? "live" : "standing still";
  }
}

// What the operator has opened, ticked, typed, chosen or focused stays so when a fragment is
// exchanged.
let kept = null;
// When each row changed: it is marked for a while, however often the fragment is exchanged.
const changed = new Map();
const seen = new Map(); // by what moves: the state of each of its rows
const MARKED = 6000; // ms

document.addEventListener("htmx:beforeSwap", (event) => {
  const live = event.target.closest?.("[data-live]");
  if (!live) return;
  const { xhr } = event.detail;
  if (xhr.responseURL && new URL(xhr.responseURL).pathname.endsWith("/login/")) {
    event.detail.shouldSwap = false; // the session has ended: the page to sign in says so
    if (!keepsWhatIsTyped(live)) location.reload();
    return;
  }
  kept = {
    open: [...live.querySelectorAll("details[open]")].map(nameOf),
    shut: [...live.querySelectorAll("details:not([open])")].map(nameOf),
    ticked: [...live.querySelectorAll("input[type=checkbox]:checked")].map((box) => box.name + box.value),
    typed: [...live.querySelectorAll(FIELDS)].filter(isTyped).map((field) => [nameOfField(field), field.value]),
    scrolled: [...live.querySelectorAll("[id], pre, div")].filter((e) => e.scrollTop || e.scrollLeft).map((e) => [pathOf(e), e.scrollTop, e.scrollLeft]),
    focus: live.contains(document.activeElement) ? pathOf(document.activeElement) : "",
    live: live.id,
  };
});

// --- Long sections come open, and a narrow window folds them until the operator asks for one. ---

const NARROW = matchMedia("screen and (max-width: 767px)"); // as in admin.css

function fold(part) {
  for (const box of part.querySelectorAll("details.jobs-fold")) box.open = !NARROW.matches;
}

NARROW.addEventListener("change", () => fold(document));
fold(document);

// The site leads elsewhere, as to the page to sign in: not while something typed would be lost.
document.addEventListener("htmx:beforeOnLoad", (event) => {
  const live = event.target.closest?.("[data-live]");
  if (!live || !event.detail.xhr.getResponseHeader("HX-Redirect")) return;
  if (keepsWhatIsTyped(live)) event.preventDefault();
});

function keepsWhatIsTyped(live) {
  if (![...document.querySelectorAll(FIELDS)].some(isTyped)) return false;
  say(live, "not refreshed: your session has ended; sign in in another tab");
  return true;
}

document.addEventListener("htmx:afterSwap", () => {
  document.querySelectorAll("[data-live]").forEach(markChanges);
  const live = kept && document.getElementById(kept.live);
  if (!live) return;
  fold(live);
  for (const box of live.querySelectorAll("details")) {
    if (kept.open.includes(nameOf(box))) box.open = true;
    if (kept.shut.includes(nameOf(box))) box.open = false;
  }
  for (const box of live.querySelectorAll("input[type=checkbox]")) {
    box.checked = kept.ticked.includes(box.name + box.value);
    box.closest("tr")?.classList.toggle("selected", box.checked);
  }
  const typed = new Map(kept.typed);
  for (const field of live.querySelectorAll(FIELDS)) {
    if (typed.has(nameOfField(field))) field.value = typed.get(nameOfField(field));
  }
  for (const [path, top, left] of kept.scrolled) live.querySelector(path)?.scrollTo(left, top);
  if (kept.focus) live.querySelector(kept.focus)?.focus({ preventScroll: true });
  kept = null;
  describeLive();
});

const liveOf = (event) => event.target.closest?.("[data-live]");
document.addEventListener("htmx:responseError", (event) => {
  say(liveOf(event), `not refreshed: the site answered ${event.detail.xhr.status}`);
});
for (const silence of ["htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(silence, (event) => say(liveOf(event), "not refreshed: the site does not answer"));
}

// htmx sets the classes of what it has exchanged once more, a moment later.
document.addEventListener("htmx:afterSettle", () => {
  for (const live of document.querySelectorAll("[data-live]")) {
    markChanges(live);
    for (const box of live.querySelectorAll("tr input[type=checkbox]")) {
      box.closest("tr").classList.toggle("selected", box.checked);
    }
  }
});

// A row is marked if its state is another than when this page last saw it.
function markChanges(live) {
  const rows = [...live.querySelectorAll("[data-state]")];
  const before = seen.get(live.id);
  for (const row of rows) {
    if (before?.size && before.get(row.id) !== row.dataset.state) changed.set(row.id, Date.now());
    row.classList.toggle("jobs-changed", Date.now() - (changed.get(row.id) ?? 0) < MARKED);
  }
  seen.set(live.id, new Map(rows.map((row) => [row.id, row.dataset.state])));
}

const FIELDS = "input:not([type=checkbox], [type=radio], [type=hidden], [type=submit], [type=button]), textarea, select";

function isTyped(field) {
  if (!field.matches("select")) return field.value !== field.defaultValue;
  const first = [...field.options].find((option) => option.defaultSelected) ?? field.options[0];
  return field.value !== (first?.value ?? "");
}

// By its form's address and its name: rows that come or go move its place. A field of a form that
// is there more than once is named by what is around it, too.
function nameOfField(field) {
  const around = field.closest("details[id], tr[id], li[id]")?.id ?? "";
  const form = field.form?.getAttribute("action") ?? "";
  return field.id || (field.name ? `${form} ${form ? "" : around} ${field.name}` : pathOf(field));
}

const nameOf = (box) => box.id || pathOf(box);

// A selector that finds the element again in a fragment of the same shape.
function pathOf(element) {
  if (element.id) return `#${CSS.escape(element.id)}`;
  const parts = [];
  for (let at = element; at && !at.matches("[data-live]"); at = at.parentElement) {
    if (at.id) { parts.unshift(`#${CSS.escape(at.id)}`); break; }
    const index = [...at.parentElement.children].indexOf(at) + 1;
    parts.unshift(`${at.localName}:nth-child(${index})`);
  }
  return parts.join(" > ");
}

// --- Ticking all rows of a list -------------------------------------------------------------------

document.addEventListener("change", (event) => {
  if (!event.target.matches("[data-tick-all]")) return;
  const boxes = event.target.form.querySelectorAll("input[name=_selected_action]");
  for (const box of boxes) box.checked = event.target.checked;
});

// How many are ticked, said beside the buttons. A line that stays the same is not said again.
function countTicked() {
  const said = document.querySelector("[data-ticked]");
  if (!said) return;
  const number = said.closest("form").querySelectorAll("input[name=_selected_action]:checked").length;
  const words = number ? `${number} ticked` : "";
  if (said.textContent !== words) said.textContent = words;
}
document.addEventListener("change", countTicked);
document.addEventListener("htmx:afterSettle", countTicked);
window.addEventListener("pageshow", countTicked);

// --- Copying -------------------------------------------------------------------------------------

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = button.dataset.copyFrom && document.getElementById(button.dataset.copyFrom);
  const label = button.dataset.label ??= button.textContent;
  try {
    await navigator.clipboard.writeText(source ? source.textContent : button.dataset.copy);
    button.textContent = "Copied";
  } catch {
    button.textContent = "The browser does not allow it";
  }
  setTimeout(() => { button.textContent = label; }, 1500);
});
for (const button of document.querySelectorAll("[data-copy]")) button.hidden = false;

// --- Charts: one column can be reached by Tab, the others by the arrow keys. ----------------------

document.addEventListener("keydown", (event) => {
  const column = event.target.closest?.(".jobs-column");
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!column || !step) return;
  const columns = [...column.parentNode.querySelectorAll(":scope > .jobs-column")];
  const next = columns[columns.indexOf(column) + step];
  if (!next) return;
  event.preventDefault();
  column.setAttribute("tabindex", "-1");
  next.setAttribute("tabindex", "0");
  next.focus();
});

// --- Keys: j and k in lists and on pages of a list, r, /, ? ---------------------------------------

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  const act = KEYS[event.key];
  if (act && act() !== false) event.preventDefault();
});

const KEYS = {
  j: () => go("next", 1),
  k: () => go("prev", -1),
  r: () => focusOn("[data-key=r]"),
  "/": () => focusOn("#searchbar"),
  "?": () => { const help = document.getElementById("jobs-keys"); help?.showPopover ? help.togglePopover() : false; },
};

// To the next page of the list that this one came from; in a list, to its next row.
function go(rel, step) {
  const link = document.querySelector(`a[rel=${rel}]`);
  if (link) { link.click(); return true; }
  const rows = [...document.querySelectorAll("a[data-row]")];
  const next = rows[rows.indexOf(document.activeElement) + step] ?? (step > 0 ? rows[0] : null);
  next?.focus();
  return Boolean(next);
}

function focusOn(selector) {
  const found = document.querySelector(selector);
  found?.focus();
  return Boolean(found);
}

// --- Times in the operator's zone: the site reads it with the next page. ---------------------------

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone && !document.cookie.split("; ").includes(`zone=${zone}`)) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `zone=${zone}; path=/; max-age=31536000; SameSite=Lax${secure}`;
  refresh();
}

describeLive();
document.querySelectorAll("[data-live]").forEach(markChanges);
