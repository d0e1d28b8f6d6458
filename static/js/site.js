// Small things that every page has: menus that close, placeholders that go once a picture is there.

const closeMenus = (except) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (menu !== except) menu.open = false;
  }
};

document.addEventListener("click", (event) => closeMenus(event.target.closest("details.menu")));
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.querySelector("details.menu[open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});

// Through a transparent picture its placeholder would show. A loaded picture is not painted
// until it is decoded, and one that fails keeps its placeholder.
const unveil = (picture) => {
  if (!picture.matches?.("img.picture")) return;
  const clear = () => picture.style.removeProperty("background-image");
  picture.decode().then(clear, () => {});
};

document.addEventListener("load", (event) => unveil(event.target), true);
for (const picture of document.images) {
  if (picture.complete && picture.naturalWidth > 0) unveil(picture);
}

// The address may have changed since the page was loaded: a search is part of it.
for (const form of document.querySelectorAll("[data-languages]")) {
  form.addEventListener("submit", () => {
    form.elements.next.value = location.pathname + location.search;
  });
}

// A row that scrolls sideways begins where its current link is.
const current = document.querySelector("[data-show-current] [aria-current]");
if (current) {
  const row = current.parentElement;
  row.scrollLeft = current.offsetLeft - (row.clientWidth - current.offsetWidth) / 2;
}

document.documentElement.classList.add("has-script");
