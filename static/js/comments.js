// Move the focus to the comment field when a reply begins.

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id === "answered") document.getElementById("comment-text").focus();
});
