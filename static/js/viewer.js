// A viewer for the pictures of a post: fit, original size, zoom and pan, for any shape. Without
// scripts, the links open the files.

const viewer = document.querySelector("dialog.viewer");
const stage = viewer.querySelector(".viewer-stage");
const picture = stage.querySelector("img");
const pauseHere = viewer.querySelector("[data-act=pause]");
const links = [...document.querySelectorAll("a[data-full]")];

// Pixels on the screen.
const SMALL = 320; // a picture with a smaller side is enlarged to it
const MIN_VISIBLE = 24;
const MAX_LENGTH = 2_000_000; // browsers lay out some millions
const MAX_ENLARGEMENT = 16;
const STRIP = 5; // sides of a higher ratio: the picture fills the window and is scrolled
const STEP = 1.5;

let shown = 0;
let size = { width: 1, height: 1 }; // of the picture, in its own pixels
let scale = 1; // pixels on the screen per pixel of the picture
let isFitted = true;

// --- Scales ----------------------------------------------------------------------------------

const thinnerSide = () => Math.min(size.width, size.height);
const longerSide = () => Math.max(size.width, size.height);
const ratios = () => [stage.clientWidth / size.width, stage.clientHeight / size.height];

function fittingScale() {
  const whole = Math.min(...ratios(), Math.max(1, SMALL / thinnerSide()));
  if (longerSide() / thinnerSide() < STRIP) return whole;
  const filling = Math.min(1, Math.max(...ratios()));
  const visible = Math.min(MIN_VISIBLE / thinnerSide(), MAX_LENGTH / longerSide());
  return Math.max(whole, filling, visible);
}

function limit(wanted) {
  const largest = Math.max(MAX_ENLARGEMENT, 4 * fittingScale());
  const least = Math.min(...ratios(), fittingScale());
  return Math.max(Math.min(wanted, largest, MAX_LENGTH / longerSide()), least);
}

function setScale(wanted, point) {
  const box = picture.getBoundingClientRect();
  const at = point ?? { x: stage.clientWidth / 2, y: stage.clientHeight / 2 };
  const share = { x: (at.x - box.left) / (box.width || 1), y: (at.y - box.top) / (box.height || 1) };
  scale = wanted;
  picture.style.width = `${Math.max(1, size.width * scale)}px`;
  picture.style.height = `${Math.max(1, size.height * scale)}px`;
  picture.classList.toggle("enlarged", scale >= 3);
  const moved = picture.getBoundingClientRect();
  stage.scrollLeft += moved.left + share.x * moved.width - at.x;
  stage.scrollTop += moved.top + share.y * moved.height - at.y;
  viewer.classList.toggle("pannable", overflows("x") || overflows("y"));
}

function fit() {
  isFitted = true;
  setScale(fittingScale());
}

function zoom(factor, point) {
  isFitted = false;
  setScale(limit(scale * factor), point);
}

function showOriginalSize(point) {
  isFitted = false;
  setScale(1, point);
}

function overflows(axis) {
  return axis === "x"
    ? stage.scrollWidth > stage.clientWidth + 1
    : stage.scrollHeight > stage.clientHeight + 1;
}

// --- Pictures --------------------------------------------------------------------------------

function show(index) {
  shown = (index + links.length) % links.length;
  const link = links[shown];
  const small = link.querySelector("img");
  size = {
    width: Number(link.dataset.width) || small.naturalWidth || 1,
    height: Number(link.dataset.height) || small.naturalHeight || 1,
  };
  picture.alt = small.alt;
  picture.src = small.currentSrc || small.src;
  const pause = pauseButton();
  pauseHere.hidden = !pause;
  if (pause) pauseHere.setAttribute("aria-label", pause.textContent);
  else loadWhole(link.href, shown); // an animation moves or stands still as it does on the page
  if (!viewer.open) {
    viewer.showModal();
    history.pushState({ viewer: true }, "");
  }
  fit();
  stage.scrollTo(0, 0);
}

// The preview is replaced after decoding, so that nothing flickers.
function loadWhole(address, index) {
  const whole = new Image();
  whole.src = address;
  const swap = () => {
    if (viewer.open && shown === index) picture.src = address;
  };
  whole.decode().then(swap, swap);
}

const pauseButton = () => links[shown].parentElement.querySelector("[data-pause]");

function pause() {
  pauseButton().click();
  picture.src = links[shown].querySelector("img").src;
  pauseHere.setAttribute("aria-label", pauseButton().textContent);
}

function close() {
  viewer.close();
}

viewer.addEventListener("close", () => {
  picture.removeAttribute("src");
  links[shown].focus();
  if (history.state?.viewer) history.back();
});
window.addEventListener("popstate", () => {
  if (viewer.open) close();
});
window.addEventListener("resize", () => {
  if (viewer.open) isFitted ? fit() : setScale(limit(scale));
});
links.forEach((link, index) => {
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // opens a new tab
    event.preventDefault();
    show(index);
  });
});
viewer.classList.toggle("single", links.length < 2);

// --- Buttons and keys --------------------------------------------------------------------------

const actions = {
  close,
  back: () => show(shown - 1),
  forward: () => show(shown + 1),
  larger: () => zoom(STEP),
  smaller: () => zoom(1 / STEP),
  fit,
  original: () => showOriginalSize(),
  pause,
};
const keys = {
  "+": actions.larger,
  "=": actions.larger,
  "-": actions.smaller,
  0: actions.fit,
  1: actions.original,
  Home: () => stage.scrollTo(0, 0),
  End: () => stage.scrollTo(stage.scrollWidth, stage.scrollHeight),
};
const arrows = {
  ArrowLeft: ["x", -1],
  ArrowRight: ["x", 1],
  ArrowUp: ["y", -1],
  ArrowDown: ["y", 1],
};

viewer.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key in arrows) move(...arrows[event.key]);
  else if (event.key in keys) keys[event.key]();
  else return;
  event.preventDefault();
});

// Arrows pan a picture that is larger than the window; otherwise they lead to the next one.
function move(axis, direction) {
  if (overflows(axis)) {
    const distance = 0.8 * direction * (axis === "x" ? stage.clientWidth : stage.clientHeight);
    stage.scrollBy(axis === "x" ? { left: distance } : { top: distance });
  } else if (axis === "x" && links.length > 1) {
    show(shown + direction);
  }
}

let wasDragged = false;
viewer.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-act]");
  if (button) actions[button.dataset.act]();
  else if (event.target !== picture && !wasDragged) close();
});

// --- Pointers ------------------------------------------------------------------------------------

picture.addEventListener("dblclick", (event) => {
  const point = { x: event.clientX, y: event.clientY };
  if (!isFitted) fit();
  else if (scale < 1) showOriginalSize(point);
  else zoom(STEP * STEP, point);
});

// The wheel scrolls a picture that is larger than the window, and zooms with Ctrl, as a trackpad's
// pinch does.
stage.addEventListener(
  "wheel",
  (event) => {
    if (!event.ctrlKey && (overflows("x") || overflows("y"))) return;
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 400), { x: event.clientX, y: event.clientY });
  },
  { passive: false },
);

// A mouse drags the picture; fingers scroll it by themselves.
stage.addEventListener("pointerdown", (event) => {
  wasDragged = false;
  if (event.pointerType !== "mouse" || event.button !== 0) return;
  event.preventDefault();
  const start = { x: event.clientX + stage.scrollLeft, y: event.clientY + stage.scrollTop };
  const drag = (moved) => {
    wasDragged ||= Math.hypot(moved.clientX - event.clientX, moved.clientY - event.clientY) > 4;
    stage.scrollTo({ left: start.x - moved.clientX, top: start.y - moved.clientY, behavior: "instant" });
  };
  const end = () => stage.removeEventListener("pointermove", drag);
  stage.addEventListener("pointermove", drag);
  window.addEventListener("pointerup", end, { once: true });
  window.addEventListener("pointercancel", end, { once: true });
});

let touches = [];
const distance = ([one, other]) =>
  Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
const middle = ([one, other]) => ({
  x: (one.clientX + other.clientX) / 2,
  y: (one.clientY + other.clientY) / 2,
});
let swipeStart = null;

stage.addEventListener("touchstart", (event) => {
  touches = [...event.touches];
  swipeStart = touches.length === 1 && !overflows("x") ? touches[0].clientX : null;
});
stage.addEventListener(
  "touchmove",
  (event) => {
    if (event.touches.length !== 2) return;
    event.preventDefault();
    const now = [...event.touches];
    if (touches.length === 2) zoom(distance(now) / Math.max(1, distance(touches)), middle(now));
    touches = now;
  },
  { passive: false },
);
stage.addEventListener("touchend", (event) => {
  const moved = swipeStart === null ? 0 : event.changedTouches[0].clientX - swipeStart;
  if (Math.abs(moved) > 60 && links.length > 1) show(shown + (moved < 0 ? 1 : -1));
  swipeStart = null;
  touches = [...event.touches];
});
