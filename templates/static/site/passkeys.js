// Shows what needs a passkey, and says in words why one was not used.

"use strict";

if (window.PublicKeyCredential)
  document.addEventListener("DOMContentLoaded", () => {
    for (const part of document.querySelectorAll("[data-passkeys]")) part.hidden = false;
  });

const reasons = {
  NotAllowedError: "No passkey was used: it was cancelled, or took too long.",
  SecurityError: "Passkeys work on https, and on http://localhost; not on an address of digits.",
  InvalidStateError: "This device has a passkey for your account already.",
};

document.addEventListener("allauth.error", (event) => {
  event.preventDefault();
  const name = event.detail.exception?.name;
  document.querySelector("[data-passkey-problem]")?.remove();
  const problem = document.createElement("p");
  problem.className = "note error";
  problem.setAttribute("role", "alert");
  problem.dataset.passkeyProblem = "";
  problem.textContent = reasons[name] ?? "The passkey could not be used. Try again.";
  document.getElementById("title").after(problem);
});
