// Shared by all pages: menus that close, and placeholders that are removed after loading.

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

// The placeholder would show through transparent pictures. It is removed after decoding, because a
// loaded picture is painted only then; a picture that fails to load keeps it.
const removePlaceholder = (picture) => {
  if (!picture.matches?.("img.picture")) return;
  const clear = () => picture.style.removeProperty("background-image");
  picture.decode().then(clear, () => {});
};

document.addEventListener("load", (event) => removePlaceholder(event.target), true);
for (const picture of document.images) {
  if (picture.complete && picture.naturalWidth > 0) removePlaceholder(picture);
}

// The URL may have changed since the page was loaded: searches update it.
for (const form of document.querySelectorAll("[data-languages]")) {
  form.addEventListener("submit", () => {
    form.elements.next.value = location.pathname + location.search;
  });
}

// The server shows times in the time zone of this cookie.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone && !document.cookie.split("; ").includes(`time_zone=${zone}`)) {
  document.cookie = `time_zone=${zone}; path=/; max-age=31536000; samesite=lax`;
}

// Scroll a horizontal row to its current link.
const current = document.querySelector("[data-show-current] [aria-current]");
if (current) {
  const row = current.parentElement;
  row.scrollLeft = current.offsetLeft - (row.clientWidth - current.offsetWidth) / 2;
}

document.documentElement.classList.add("has-script");
