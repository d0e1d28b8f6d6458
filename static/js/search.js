// The search page: a picture that is dropped, pasted or chosen is searched at once.

import { onFiles } from "./dropzone.js";

const text = document.getElementById("q");
const form = document.getElementById("search-image");

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
    text.value = "";
    form.requestSubmit();
  });

  document.querySelector(".search-text").addEventListener("submit", () => {
    preview.hidden = true;
    form.reset();
  });
}
