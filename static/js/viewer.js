// A viewer for the pictures of a post in full size; without scripts, the links open the files.

const viewer = document.querySelector("dialog.viewer");
const picture = viewer.querySelector("img");
const links = [...document.querySelectorAll("a[data-full]")];
let shown = 0;

function show(index) {
  shown = (index + links.length) % links.length;
  picture.src = links[shown].href;
  picture.alt = links[shown].querySelector("img").alt;
  if (!viewer.open) viewer.showModal();
}

const actions = {
  close: () => viewer.close(),
  back: () => show(shown - 1),
  forward: () => show(shown + 1),
};
const keys = { ArrowLeft: actions.back, ArrowRight: actions.forward };

links.forEach((link, index) => {
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // opens a new tab
    event.preventDefault();
    show(index);
  });
});
viewer.classList.toggle("single", links.length < 2);
viewer.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-act]");
  if (button) actions[button.dataset.act]();
  else viewer.close();
});
viewer.addEventListener("keydown", (event) => {
  if (links.length > 1) keys[event.key]?.();
});
viewer.addEventListener("close", () => {
  picture.removeAttribute("src");
  links[shown].focus();
});
