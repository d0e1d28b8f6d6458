// A combobox with a list (ARIA Authoring Practices, "Editable Combobox With List Autocomplete").

const DEBOUNCE_MS = 150;

export class Suggestions {
  /** Options come from the URL in the input's `data-suggestions`; calls `onChosen()`. */
  constructor(input, list, onChosen) {
    this.input = input;
    this.list = list;
    this.onChosen = onChosen;
    this.timer = 0;
    this.requested = "";
    for (const [name, value] of Object.entries({
      role: "combobox",
      "aria-autocomplete": "list",
      "aria-expanded": "false",
      "aria-controls": list.id,
    })) {
      input.setAttribute(name, value);
    }
    input.addEventListener("input", () => this.handleInput());
    input.addEventListener("keydown", (event) => this.handleKey(event));
    input.addEventListener("blur", () => this.close());
    input.form.addEventListener("submit", () => this.close());
    list.addEventListener("pointerdown", (event) => event.preventDefault()); // keep the focus
    list.addEventListener("click", (event) => this.choose(event.target.closest("[role=option]")));
  }

  get options() {
    return [...this.list.querySelectorAll("[role=option]")];
  }

  get active() {
    return this.list.querySelector("[aria-selected=true]");
  }

  handleInput() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.fetchOptions(), DEBOUNCE_MS);
  }

  async fetchOptions() {
    const typed = this.input.value;
    this.requested = typed;
    if (typed.trim() === "") return this.close();
    const url = `${this.input.dataset.suggestions}?q=${encodeURIComponent(typed)}`;
    const response = await fetch(url, { headers: { "HX-Request": "true" } }).catch(() => null);
    if (!response?.ok || this.requested !== typed || document.activeElement !== this.input) return;
    this.list.innerHTML = await response.text();
    if (this.options.length === 0) return this.close();
    this.list.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
    this.select(null);
  }

  close() {
    clearTimeout(this.timer);
    this.requested = "";
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.select(null);
  }

  select(option) {
    this.active?.setAttribute("aria-selected", "false");
    if (!option) return this.input.removeAttribute("aria-activedescendant");
    option.setAttribute("aria-selected", "true");
    option.scrollIntoView({ block: "nearest" });
    this.input.setAttribute("aria-activedescendant", option.id);
  }

  handleKey(event) {
    if (event.isComposing) return; // an input method composes Vietnamese letters
    const { options, active } = this;
    const open = !this.list.hidden;
    if (event.key === "Escape" && open) {
      event.preventDefault(); // or the browser would empty the input
      this.close();
    } else if (event.key === "Enter" && open && active) {
      event.preventDefault();
      this.choose(active);
    } else if (["ArrowDown", "ArrowUp"].includes(event.key)) {
      event.preventDefault();
      if (!open) return void this.fetchOptions();
      const step = event.key === "ArrowDown" ? 1 : -1;
      const next = options.indexOf(active) + step;
      // Beyond either end, no option is active.
      this.select(active || step > 0 ? options[next] : options.at(-1));
    }
  }

  choose(option) {
    if (!option) return;
    this.input.value = option.dataset.text;
    this.close();
    this.onChosen();
  }
}
