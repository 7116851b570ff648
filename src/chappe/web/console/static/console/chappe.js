// What pages do beyond plain forms; every page works without it.

// Copy a value: <button data-copy="#id">, or the text itself in data-copy-text.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.querySelector(button.dataset.copy);
  const text = source.value ?? source.textContent.trim();
  if (!navigator.clipboard) {
    // Browsers have none where the console is opened by plain HTTP: the text is marked for the reader to copy.
    getSelection().selectAllChildren(source);
    source.select?.();
    return;
  }
  navigator.clipboard.writeText(text).then(() => {
    button.dataset.done = "";
    setTimeout(() => delete button.dataset.done, 1500);
  });
});

// Put a text where the writer is: <button data-insert="{{ name }}" data-into="#id_body">.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-insert]");
  if (!button) return;
  const field = document.querySelector(button.dataset.into);
  field.setRangeText(button.dataset.insert, field.selectionStart, field.selectionEnd, "end");
  field.focus();
  field.dispatchEvent(new Event("input", { bubbles: true }));
});

// The menu folds on small screens, where there is no room for it.
const menu = document.querySelector("details.menu");
if (menu && matchMedia("(max-width: 60rem)").matches) menu.open = false;

// What is wrong with a form comes first for those who hear the page.
document.querySelector(".notice.error[role=alert]")?.focus();

// A form is sent once, however often its button is pressed.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || form.hasAttribute("hx-post")) return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "1";
  setTimeout(() => delete form.dataset.sent, 3000);
});
addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent));

// A field that counts only where another has one of some values is there only then: <div data-when="mode" data-when-values="a b">.
document.documentElement.dataset.script = "";
const dependents = [...document.querySelectorAll("[data-when]")];
const valueOf = (form, name) => {
  const control = form.elements[name];
  return control.type === "checkbox" ? (control.checked ? "True" : "False") : control.value;
};
const showDependents = () => {
  for (const one of dependents) {
    const { when, whenValues } = one.dataset;
    const form = one.closest("form");
    const parent = dependents.find((other) => other !== one && other.querySelector(`[name="${when}"]`));
    const counts = !parent?.hidden && whenValues.split(" ").includes(valueOf(form, when));
    one.hidden = !counts && !one.querySelector(".has-error");
  }
};
if (dependents.length) {
  showDependents();
  document.addEventListener("change", showDependents);
}

// One box for all boxes of its form. It is hidden where there is no script to work it.
document.querySelectorAll("input[data-check-all]").forEach((all) => {
  const boxes = [...all.form.querySelectorAll('input[type="checkbox"]:not([data-check-all])')];
  all.hidden = boxes.length < 2;
  all.addEventListener("change", () => boxes.forEach((box) => (box.checked = all.checked)));
});

// A table that does not fit is scrolled from the keyboard, too; one with links in it is reached by them.
const reachTables = () => {
  document.querySelectorAll(".table-scroll, pre").forEach((one) => {
    const scrolls = one.scrollWidth > one.clientWidth && !one.querySelector("a, button, input, select, textarea");
    if (scrolls) one.tabIndex = 0;
    else one.removeAttribute("tabindex");
  });
};
reachTables();
addEventListener("resize", reachTables);
document.addEventListener("htmx:afterSettle", reachTables);
