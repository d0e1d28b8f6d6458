// Shared by all pages: menus that close, placeholders that are removed after loading, and forms that
// are sent once.

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

// A second click while the response is on its way would send the form again. The buttons are disabled
// after the event, because a disabled button's value is not sent, and for a while only: the user may
// cancel the request.
const sent = new Set();
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") return; // htmx and scripts send it
  if (sent.has(form)) return event.preventDefault();
  sent.add(form);
  setTimeout(() => setButtonsDisabled(form, true));
  setTimeout(() => allowSending(form), 10_000);
});
window.addEventListener("pageshow", ({ persisted }) => {
  if (persisted) sent.forEach(allowSending); // the user came back to the page
});

function allowSending(form) {
  sent.delete(form);
  setButtonsDisabled(form, false);
}

function setButtonsDisabled(form, disabled) {
  for (const button of form.querySelectorAll("button")) button.disabled = disabled;
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
