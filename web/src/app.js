// What pages gain from script. Every page works without it.

import "htmx.org";

// A second click on a slow connection must not send a form twice. (The server recognises a
// repeated submission too; this only spares the person the wait.)
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "1";
  event.submitter?.setAttribute("aria-busy", "true");
});

// Coming back by the browser's history restores the page as it was left: sent.
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  for (const button of document.querySelectorAll("[aria-busy]")) button.removeAttribute("aria-busy");
});

// After a refused form the list of what is wrong is read out first.
document.getElementById("errors")?.focus();

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-print]")) window.print();
});

// A session may end while somebody types. The server then asks to sign in and leads back to the
// same page; what was typed last is still in this tab, and is put back unless the server took it.
const typed = "tongban-typed";

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.action.endsWith("/sign-out")) sessionStorage.removeItem(typed);
  if (event.defaultPrevented || !form.matches("[data-keep]")) return;
  const fields = [...new FormData(form)].filter(([, value]) => typeof value === "string");
  const kept = { path: location.pathname, version: form.elements.version?.value, fields };
  sessionStorage.setItem(typed, JSON.stringify(kept));
});

const keeping = document.querySelector("form[data-keep]");
if (keeping) putBack(keeping);

function putBack(form) {
  const kept = JSON.parse(sessionStorage.getItem(typed) ?? "null");
  sessionStorage.removeItem(typed);
  // With the next version the server has what was typed; then its page is right as it is.
  if (kept?.path !== location.pathname || kept.version !== form.elements.version?.value) return;
  for (const field of form.elements) {
    const values = kept.fields.filter(([name]) => name === field.name).map(([, value]) => value);
    if (["hidden", "file", "submit", "fieldset"].includes(field.type)) continue;
    if (["radio", "checkbox"].includes(field.type)) field.checked = values.includes(field.value);
    else if (values.length > 0) field.value = values[0];
  }
  document.querySelector("[data-kept]")?.removeAttribute("hidden");
}
