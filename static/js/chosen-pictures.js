// The list of pictures chosen for a post: previews, captions, order, removal, progress.

const megabytes = (bytes) => `${(bytes / (1024 * 1024)).toFixed(1)} MB`;

export class ChosenPictures {
  /** Calls `onChange(key of a text, name of the file)` after each change. */
  constructor(list, template, onChange) {
    this.list = list;
    this.template = template;
    this.onChange = onChange;
    this.files = new Map(); // <li> → File; the list has the order
    list.addEventListener("click", (event) => {
      const button = event.target.closest("button[data-act]");
      if (button) this.act(button.dataset.act, button.closest("li"), button);
    });
  }

  get items() {
    return [...this.list.children];
  }

  get inOrder() {
    return this.items.map((item) => this.files.get(item));
  }

  get captions() {
    return this.items.map((item) => item.querySelector("[data-caption]").value);
  }

  add(file) {
    const item = this.template.content.firstElementChild.cloneNode(true);
    const preview = item.querySelector("img");
    // Browsers cannot show all formats that are accepted, such as HEIC.
    preview.addEventListener("error", () => preview.removeAttribute("src"));
    preview.src = URL.createObjectURL(file);
    item.querySelector("[data-name]").textContent = file.name;
    item.querySelector("[data-size]").textContent = megabytes(file.size);
    for (const control of item.querySelectorAll("button, [data-caption]")) {
      const label = control.getAttribute("aria-label") ?? control.placeholder;
      control.setAttribute("aria-label", `${label}: ${file.name}`);
    }
    this.files.set(item, file);
    this.list.append(item);
    this.update("added", file.name);
  }

  act(action, item, button) {
    if (action === "remove") return this.remove(item);
    if (action === "earlier") item.previousElementSibling?.before(item);
    if (action === "later") item.nextElementSibling?.after(item);
    this.update();
    if (button.disabled) {
      item.querySelector("[data-act]:not(:disabled)").focus();
    } else {
      button.focus();
    }
  }

  remove(item) {
    const next = item.nextElementSibling ?? item.previousElementSibling;
    const { name } = this.files.get(item);
    URL.revokeObjectURL(item.querySelector("img").src);
    this.files.delete(item);
    item.remove();
    this.update("removed", name);
    next?.querySelector('[data-act="remove"]').focus();
  }

  /** Updates the buttons and reports the change. */
  update(key, name) {
    this.list.hidden = this.files.size === 0;
    this.items.forEach((item, index) => {
      item.querySelector('[data-act="earlier"]').disabled = index === 0;
      item.querySelector('[data-act="later"]').disabled = index === this.files.size - 1;
    });
    this.onChange(key, name);
  }

  /** Shows progress per file. All are in one request: `fraction` of it (0 to 1) has been sent. */
  showProgress(fraction) {
    const files = this.inOrder;
    let left = fraction * files.reduce((sum, file) => sum + file.size, 0);
    this.items.forEach((item, index) => {
      const sent = Math.min(left, files[index].size);
      left -= sent;
      item.querySelector("progress").value = (100 * sent) / Math.max(1, files[index].size);
    });
  }

  setBusy(busy) {
    for (const item of this.items) item.querySelector("progress").hidden = !busy;
    for (const control of this.list.querySelectorAll("button, input")) control.disabled = busy;
    if (!busy) this.update();
  }
}
