// The list of pictures chosen for a post: previews, captions, order, removal, progress.

const megabytes = (bytes) => `${(bytes / (1024 * 1024)).toFixed(1)} MB`;

export class ChosenPictures {
  /** `onChange(text key, name)` after each change. */
  constructor(list, template, onChange) {
    this.list = list;
    this.template = template;
    this.onChange = onChange;
    this.files = new Map(); // <li> → File; the order is the list's
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
    item.querySelector("img").src = URL.createObjectURL(file);
    item.querySelector("[data-name]").textContent = file.name;
    item.querySelector("[data-size]").textContent = megabytes(file.size);
    for (const control of item.querySelectorAll("button, [data-caption]")) {
      const label = control.getAttribute("aria-label") ?? control.placeholder;
      control.setAttribute("aria-label", `${label}: ${file.name}`);
    }
    this.files.set(item, file);
    this.list.append(item);
    this.changed("added", file.name);
  }

  act(what, item, button) {
    if (what === "remove") return this.remove(item);
    if (what === "earlier") item.previousElementSibling?.before(item);
    if (what === "later") item.nextElementSibling?.after(item);
    this.changed();
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
    this.changed("removed", name);
    next?.querySelector('[data-act="remove"]').focus();
  }

  changed(text, name) {
    this.list.hidden = this.files.size === 0;
    this.items.forEach((item, index) => {
      item.querySelector('[data-act="earlier"]').disabled = index === 0;
      item.querySelector('[data-act="later"]').disabled = index === this.files.size - 1;
    });
    this.onChange(text, name);
  }

  /** One request carries all: its share sent, 0 to 1, is dealt out in the files' order. */
  showProgress(share) {
    const files = this.inOrder;
    let left = share * files.reduce((sum, file) => sum + file.size, 0);
    this.items.forEach((item, index) => {
      const sent = Math.min(left, files[index].size);
      left -= sent;
      item.querySelector("progress").value = (100 * sent) / Math.max(1, files[index].size);
    });
  }

  setBusy(busy) {
    for (const item of this.items) item.querySelector("progress").hidden = !busy;
    for (const control of this.list.querySelectorAll("button, input")) control.disabled = busy;
    if (!busy) this.changed();
  }
}
