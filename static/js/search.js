// The search page: suggestions while typing, search by a dropped, pasted or chosen picture, and
// URLs without empty parameters.

import { onFiles } from "./dropzone.js";
import { Suggestions } from "./suggestions.js";

const input = document.getElementById("q");
const textForm = document.getElementById("search-form");
const imageForm = document.getElementById("search-image");
const filters = document.getElementById("filters");
const clear = document.getElementById("clear-filters");
const controls = [...filters.querySelectorAll("[name]")];
const names = [...new Set(controls.map((control) => control.name))];

new Suggestions(input, document.getElementById("suggestions"), () => textForm.requestSubmit());

document.addEventListener("htmx:configRequest", (event) => {
  const { parameters, target } = event.detail;
  if (target?.id !== "results") return;
  for (const name of ["q", ...names]) {
    if (parameters[name] === "") delete parameters[name];
  }
});

filters.addEventListener("change", showCount);

function showCount() {
  const chosen = new FormData(textForm);
  const count = names.filter((name) => chosen.get(name)).length;
  const badge = filters.querySelector(".filter-count");
  badge.textContent = count;
  badge.hidden = clear.hidden = count === 0;
}

clear.addEventListener("click", (event) => {
  event.preventDefault(); // submit the current text, and keep a chosen picture
  for (const control of controls) {
    if (["radio", "checkbox"].includes(control.type)) control.checked = control.value === "";
    else control.value = "";
  }
  showCount();
  filters.querySelector("summary").focus();
  textForm.requestSubmit();
});

if (imageForm) {
  const fileInput = imageForm.querySelector("input[type=file]");
  const preview = document.getElementById("search-preview");
  const removeButton = document.getElementById("search-without");
  const showChosen = (chosen) => {
    const prompts = imageForm.querySelectorAll("[data-invitation]");
    const previewParts = [preview, removeButton, imageForm.querySelector("[data-chosen]")];
    for (const element of previewParts) element.hidden = !chosen;
    for (const element of prompts) element.hidden = chosen;
  };

  preview.addEventListener("error", () => preview.removeAttribute("src")); // of HEIC, for example
  onFiles(imageForm.querySelector("[data-dropzone]"), fileInput, ([file]) => {
    if (fileInput.files[0] !== file) {
      const transfer = new DataTransfer();
      transfer.items.add(file);
      fileInput.files = transfer.files;
    }
    URL.revokeObjectURL(preview.src);
    preview.src = URL.createObjectURL(file);
    showChosen(true);
    imageForm.requestSubmit();
  });

  // With a chosen picture, the text describes a change to it.
  textForm.addEventListener("htmx:confirm", (event) => {
    if (event.target !== textForm || fileInput.files.length === 0) return;
    event.preventDefault();
    imageForm.requestSubmit();
  });

  removeButton.addEventListener("click", () => {
    showChosen(false);
    imageForm.reset();
    input.focus();
    textForm.requestSubmit();
  });
}
