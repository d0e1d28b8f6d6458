// Buttons that pause and play the animations of a post. Without scripts, the animations play, except
// for users who prefer reduced motion.

for (const button of document.querySelectorAll("button[data-pause]")) {
  const figure = button.closest("figure");
  const picture = figure.querySelector("img.picture");
  const labels = { pause: button.textContent, play: button.dataset.labelPlay };
  let plays = !matchMedia("(prefers-reduced-motion: reduce)").matches;

  const update = () => {
    button.textContent = plays ? labels.pause : labels.play;
  };
  button.addEventListener("click", () => {
    plays = !plays;
    figure.querySelector("source")?.remove(); // the choice of the button counts
    picture.src = plays ? button.dataset.moving : button.dataset.still;
    update();
  });
  update();
}
