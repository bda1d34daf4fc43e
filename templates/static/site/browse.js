// Links exchange #page and leave the player alone (hx-boost in base.html). What is no page of this
// site, or wants other scripts or styles, is opened as a browser opens it.
"use strict";

// A form is sent as browsers send it, unless it says hx-boost="true" itself.
document.addEventListener("htmx:beforeProcessNode", (event) => {
  const form = event.target;
  if (form.tagName === "FORM" && !form.hasAttribute("hx-boost")) form.setAttribute("hx-boost", "false");
});

const isPage = (event) => event.detail.target?.id === "page";
const visit = (address) => location.assign(address);

document.addEventListener("htmx:beforeSwap", (event) => {
  if (!isPage(event)) return;
  const { xhr, requestConfig } = event.detail;
  const answer = new DOMParser().parseFromString(xhr.responseText, "text/html");
  if (answer.getElementById("page") && !wantsOthers(answer.head)) {
    event.detail.shouldSwap = true; // an error page is a page, too
    return;
  }
  if (requestConfig.verb === "get") {
    event.detail.shouldSwap = false;
    return visit(requestConfig.path);
  }
  // A form's own address has no page. What it answered is shown, or else that it did not arrive.
  const page = xhr.responseURL && xhr.responseURL !== new URL(requestConfig.path, location.href).href;
  event.detail.shouldSwap = !page && answer.getElementById("page") !== null;
  if (page) visit(xhr.responseURL);
  else if (!event.detail.shouldSwap) requestConfig.elt.dispatchEvent(new Event("trouble", { bubbles: true }));
});

function wantsOthers(head) {
  const wanted = [...head.querySelectorAll("script[src], link[rel=stylesheet]")];
  return wanted.some((file) => {
    const name = file.src ? "src" : "href";
    return !document.head.querySelector(`[${name}="${CSS.escape(file.getAttribute(name))}"]`);
  });
}

// A link that cannot be fetched, such as one to another host, is opened.
document.addEventListener("htmx:sendError", (event) => {
  const { requestConfig } = event.detail;
  if (isPage(event) && requestConfig.verb === "get" && navigator.onLine) visit(requestConfig.path);
});

// Keyboard and screen reader go on at the new page's content.
document.addEventListener("htmx:afterSettle", (event) => {
  if (!isPage(event) && event.target.id !== "page") return;
  if (!document.querySelector("#page :focus")) document.getElementById("main")?.focus({ preventScroll: true });
});

// The later of two clicks wins, and so does Back: what is under way is broken off.
let underWay = null;

function goInstead(xhr) {
  if (underWay !== xhr) underWay?.abort();
  underWay = xhr;
}
document.addEventListener("htmx:beforeRequest", (event) => { if (isPage(event)) goInstead(event.detail.xhr); });
document.addEventListener("htmx:afterRequest", (event) => { if (event.detail.xhr === underWay) underWay = null; });
document.addEventListener("htmx:historyCacheMiss", (event) => goInstead(event.detail.xhr));
