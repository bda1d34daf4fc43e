// What is typed into the form for a song stays in the tab: after a reload, after Back, after another
// page. It is forgotten when the listener signs out, and when a new form is opened after sending.
"use strict";

(() => {
  const KEPT = "draft";
  const wish = () => document.querySelector("form[data-draft]");
  const place = () => new URLSearchParams(location.search).get("like") ?? "";
  const [navigation] = performance.getEntriesByType("navigation");
  let isBack = navigation?.type === "back_forward";
  const isReload = navigation?.type === "reload";
  let isFirst = true;

  function typed(form) {
    const fields = {};
    for (const field of form.elements) {
      if (!field.name || field.name === "csrfmiddlewaretoken" || (field.type === "radio" && !field.checked)) continue;
      fields[field.name] = field.type === "checkbox" ? field.checked : field.value;
    }
    return fields;
  }

  function keep(form, sent) {
    const kept = { listener: form.dataset.draft, place: place(), sent, fields: typed(form) };
    try { sessionStorage.setItem(KEPT, JSON.stringify(kept)); } catch { /* full, or not allowed */ }
  }

  function read() {
    try { return JSON.parse(sessionStorage.getItem(KEPT)); } catch { return null; }
  }

  function restore() {
    const form = wish();
    const kept = read();
    const came = isBack || (isFirst && isReload);
    isFirst = isBack = false;
    if (!form || !kept || kept.listener !== form.dataset.draft || kept.place !== place() || "bound" in form.dataset) return;
    if (kept.sent && !came) return sessionStorage.removeItem(KEPT);
    for (const field of form.elements) {
      if (!(field.name in kept.fields)) continue;
      const value = kept.fields[field.name];
      if (field.type === "radio") field.checked = field.value === value;
      else if (field.type === "checkbox") field.checked = value;
      else field.value = value;
    }
    // A form that was sent keeps its token, so that the site knows it again, until it is changed.
    if (kept.sent) form.dataset.back = "yes";
    document.dispatchEvent(new Event("draft:restored"));
  }

  document.addEventListener("input", (event) => {
    const form = event.target.closest("form[data-draft]");
    if (form) keep(form, false);
  });
  document.addEventListener("submit", (event) => {
    if (event.target.matches("form[data-draft]")) keep(event.target, true);
    if (event.target.matches("[data-sign-out], [data-forget-draft]")) sessionStorage.removeItem(KEPT);
  });
  document.addEventListener("htmx:historyRestore", () => { isBack = true; restore(); });
  document.addEventListener("htmx:afterSettle", (event) => { if (event.target.id === "page") restore(); });
  restore();
})();
