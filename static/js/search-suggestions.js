// A combobox with a list (ARIA Authoring Practices, "Editable Combobox With List Autocomplete").

const WAIT = 150; // milliseconds without a key

export class Suggestions {
  /** Options come from the address in the input's `data-suggestions`; `take()` after a choice. */
  constructor(input, list, take) {
    this.input = input;
    this.list = list;
    this.take = take;
    this.timer = 0;
    this.asked = "";
    for (const [name, value] of Object.entries({
      role: "combobox",
      "aria-autocomplete": "list",
      "aria-expanded": "false",
      "aria-controls": list.id,
    })) {
      input.setAttribute(name, value);
    }
    input.addEventListener("input", () => this.typed());
    input.addEventListener("keydown", (event) => this.pressed(event));
    input.addEventListener("blur", () => this.close());
    input.form.addEventListener("submit", () => this.close());
    list.addEventListener("pointerdown", (event) => event.preventDefault()); // keeps the focus
    list.addEventListener("click", (event) => this.choose(event.target.closest("[role=option]")));
  }

  get options() {
    return [...this.list.querySelectorAll("[role=option]")];
  }

  get active() {
    return this.list.querySelector("[aria-selected=true]");
  }

  typed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(), WAIT);
  }

  async ask() {
    const typed = this.input.value;
    this.asked = typed;
    if (typed.trim() === "") return this.close();
    const address = `${this.input.dataset.suggestions}?q=${encodeURIComponent(typed)}`;
    const answer = await fetch(address, { headers: { "HX-Request": "true" } }).catch(() => null);
    if (!answer?.ok || this.asked !== typed || document.activeElement !== this.input) return;
    this.list.innerHTML = await answer.text();
    if (this.options.length === 0) return this.close();
    this.list.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
    this.mark(null);
  }

  close() {
    clearTimeout(this.timer);
    this.asked = "";
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.mark(null);
  }

  mark(option) {
    this.active?.setAttribute("aria-selected", "false");
    if (!option) return this.input.removeAttribute("aria-activedescendant");
    option.setAttribute("aria-selected", "true");
    option.scrollIntoView({ block: "nearest" });
    this.input.setAttribute("aria-activedescendant", option.id);
  }

  pressed(event) {
    if (event.isComposing) return; // Vietnamese is typed in several keys
    const { options, active } = this;
    const open = !this.list.hidden;
    if (event.key === "Escape" && open) {
      event.preventDefault(); // or the box is emptied, too
      this.close();
    } else if (event.key === "Enter" && open && active) {
      event.preventDefault();
      this.choose(active);
    } else if (["ArrowDown", "ArrowUp"].includes(event.key)) {
      event.preventDefault();
      if (!open) return void this.ask();
      const step = event.key === "ArrowDown" ? 1 : -1;
      const place = options.indexOf(active) + step;
      // Beyond either end is the box itself.
      this.mark(active || step > 0 ? options[place] : options.at(-1));
    }
  }

  choose(option) {
    if (!option) return;
    this.input.value = option.dataset.text;
    this.close();
    this.take();
  }
}
