// The search page: suggestions while one types, a picture that is dropped, pasted or chosen, and an
// address without what is blank.

import { onFiles } from "./dropzone.js";
import { Suggestions } from "./search-suggestions.js";

const text = document.getElementById("q");
const words = document.getElementById("search-form");
const form = document.getElementById("search-image");
const filters = document.getElementById("filters");
const clear = document.getElementById("clear-filters");
const controls = [...filters.querySelectorAll("[name]")];
const names = [...new Set(controls.map((control) => control.name))];

new Suggestions(text, document.getElementById("suggestions"), () => words.requestSubmit());

document.addEventListener("htmx:configRequest", (event) => {
  const { parameters, target } = event.detail;
  if (target?.id !== "results") return;
  for (const name of ["q", ...names]) {
    if (parameters[name] === "") delete parameters[name];
  }
});

filters.addEventListener("change", showCount);

function showCount() {
  const chosen = new FormData(words);
  const count = names.filter((name) => chosen.get(name)).length;
  const badge = filters.querySelector(".filter-count");
  badge.textContent = count;
  badge.hidden = clear.hidden = count === 0;
}

clear.addEventListener("click", (event) => {
  event.preventDefault(); // what stands in the box now is searched, and a chosen picture stays
  for (const control of controls) {
    if (["radio", "checkbox"].includes(control.type)) control.checked = control.value === "";
    else control.value = "";
  }
  showCount();
  filters.querySelector("summary").focus();
  words.requestSubmit();
});

if (form) {
  const input = form.querySelector("input[type=file]");
  const preview = document.getElementById("search-preview");
  const without = document.getElementById("search-without");
  const showChosen = (chosen) => {
    for (const each of [preview, without, form.querySelector("[data-chosen]")]) each.hidden = !chosen;
    for (const each of form.querySelectorAll("[data-invitation]")) each.hidden = chosen;
  };

  onFiles(form.querySelector("[data-dropzone]"), input, ([file]) => {
    if (input.files[0] !== file) {
      const transfer = new DataTransfer();
      transfer.items.add(file);
      input.files = transfer.files;
    }
    URL.revokeObjectURL(preview.src);
    preview.src = URL.createObjectURL(file);
    showChosen(true);
    form.requestSubmit();
  });

  // With a picture there, words say what is to be different in it.
  words.addEventListener("htmx:confirm", (event) => {
    if (event.target !== words || input.files.length === 0) return;
    event.preventDefault();
    form.requestSubmit();
  });

  without.addEventListener("click", () => {
    showChosen(false);
    form.reset();
    text.focus();
    words.requestSubmit();
  });
}
