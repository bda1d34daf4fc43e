// Where the focus goes on a listener's own pages.

// A part of the page comes anew while something in it has the focus. What has an id keeps it (htmx);
// where that is gone, as Cancel is from a song that is ready, the song's name takes it.
let partInFocus = null;
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  partInFocus = detail.target?.id === "page" ? null : document.activeElement?.closest("#song, .card");
});
document.addEventListener("htmx:afterSettle", () => {
  if (!partInFocus) return;
  const name = document.getElementById(partInFocus.id)?.querySelector("h1, h3 a");
  partInFocus = null;
  if (!name || document.activeElement !== document.body) return;
  if (name.matches("h1")) name.tabIndex = -1;
  name.focus({ preventScroll: true });
});

// A form that was refused stands on the page and is no popover: its button leads to its field.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[popovertarget]");
  const box = button && document.getElementById(button.getAttribute("popovertarget"));
  if (box && !box.popover) box.querySelector("input:not([type=hidden])")?.focus();
});
