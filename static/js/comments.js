// Once it is said which comment is replied to, the reply can be written.

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id === "answered") document.getElementById("comment-text").focus();
});
