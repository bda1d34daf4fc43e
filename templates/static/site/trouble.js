// What did not arrive: a note says so, and the form can be sent again.
"use strict";

(() => {
  const LOST = "That did not arrive. Try again.";
  const REFUSED = "That did not work. Try again.";
  const AWAY = "The site cannot be reached just now. This page goes on by itself when it can.";
  const note = document.getElementById("trouble");
  const isPolling = (element) => Boolean(element?.closest?.("[hx-trigger]"));

  function say(text, kind) {
    note.textContent = text;
    note.dataset.kind = kind;
  }

  function release(form) {
    if (!form?.matches?.("form")) return;
    delete form.dataset.sent;
    form.querySelector("[aria-busy]")?.removeAttribute("aria-busy");
  }

  function lost(event) {
    release(event.target);
    if (!isPolling(event.target)) say(LOST, "act");
    else if (note.dataset.kind !== "act") say(AWAY, "polling");
  }
  for (const name of ["htmx:sendError", "htmx:timeout", "trouble"]) document.addEventListener(name, lost);
  document.addEventListener("htmx:sendAbort", (event) => release(event.target));

  // Whether the answer is a page is for browse.js to see. A part that is gone (404): see site.js.
  document.addEventListener("htmx:responseError", (event) => {
    const { target, xhr } = event.detail;
    if (target?.id === "page") return;
    if (xhr.status >= 500) return lost(event);
    release(event.target);
    if (xhr.status !== 404 && !isPolling(event.target)) say(sentenceOf(xhr) || REFUSED, "act");
  });

  function sentenceOf(xhr) {
    const isText = xhr.getResponseHeader("Content-Type")?.startsWith("text/plain");
    return isText ? xhr.responseText.slice(0, 300) : "";
  }

  // Back to a page that is no longer there: the browser asks for it, and shows what the site says.
  document.addEventListener("htmx:historyCacheMissLoadError", () => location.reload());
  // Back without a network: the address is the other page's already, which comes with the network.
  document.addEventListener("htmx:historyCacheMiss", ({ detail: { xhr } }) => {
    const wanted = location.href;
    xhr.addEventListener("error", () => {
      say(LOST, "act");
      addEventListener("online", () => { if (location.href === wanted) location.reload(); }, { once: true });
    });
  });

  // The next try takes the note away, and so does news that arrives.
  document.addEventListener("htmx:beforeRequest", (event) => { if (!isPolling(event.target)) say("", ""); });
  document.addEventListener("htmx:historyRestore", () => say("", ""));
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.successful && note.dataset.kind === "polling") say("", "");
  });
})();
