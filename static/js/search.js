// The search page: suggestions while one types, a picture that is dropped, pasted or chosen, and an
// address without what is blank.

import { onFiles } from "./dropzone.js";
import { Suggestions } from "./search-suggestions.js";

const text = document.getElementById("q");
const words = document.getElementById("search-form");
const form = document.getElementById("search-image");
const filters = document.getElementById("filters");

new Suggestions(text, document.getElementById("suggestions"), () => words.requestSubmit());

document.addEventListener("htmx:configRequest", (event) => {
  const { parameters, target } = event.detail;
  if (target?.id !== "results") return;
  for (const name of ["q", "category", "orientation", "since", "until", "sort", "color"]) {
    if (parameters[name] === "") delete parameters[name];
  }
});

filters.addEventListener("change", () => {
  const chosen = new FormData(words);
  const names = ["category", "orientation", "since", "until", "sort", "color", "followed"];
  const count = names.filter((name) => chosen.get(name)).length;
  let badge = filters.querySelector(".filter-count");
  if (!badge) {
    badge = document.createElement("span");
    badge.className = "filter-count";
    filters.querySelector("summary").append(" ", badge);
  }
  badge.textContent = count;
  badge.hidden = count === 0;
});

if (form) {
  const input = form.querySelector("input[type=file]");
  const preview = document.getElementById("search-preview");

  onFiles(form.querySelector("[data-dropzone]"), input, ([file]) => {
    if (input.files[0] !== file) {
      const transfer = new DataTransfer();
      transfer.items.add(file);
      input.files = transfer.files;
    }
    URL.revokeObjectURL(preview.src);
    preview.src = URL.createObjectURL(file);
    preview.hidden = false;
    form.requestSubmit();
  });

  // With a picture there, words say what is to be different in it.
  words.addEventListener("htmx:confirm", (event) => {
    if (event.target !== words || input.files.length === 0) return;
    event.preventDefault();
    form.requestSubmit();
  });

  preview.addEventListener("click", () => {
    preview.hidden = true;
    form.reset();
    words.requestSubmit();
  });
}
