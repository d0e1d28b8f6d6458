// Warnings about pictures that were posted before. The server compares a small rendition and the
// file's checksum.

const MAX_SIDE = 480; // pixels

export class DuplicateWarnings {
  /** `check(form)` resolves to a list of `{duplicates}`, one for each picture of the form. */
  constructor(box, template, text, check) {
    this.box = box;
    this.template = template;
    this.text = text;
    this.check = check;
    this.requests = new WeakMap(); // File → promise of its duplicates
  }

  /** Shows the earlier posts of these files; resolves to true if there are any. */
  async show(files) {
    this.current = files;
    const lists = await Promise.all(files.map((file) => this.duplicatesOf(file)));
    if (this.current !== files) return !this.box.hidden; // other files have been chosen meanwhile
    const posts = new Map(lists.flat().map((duplicate) => [duplicate.post_id, duplicate]));
    const rows = [...posts.values()].map((duplicate) => this.row(duplicate));
    this.box.querySelector("ul").replaceChildren(...rows);
    this.box.hidden = posts.size === 0;
    return posts.size > 0;
  }

  duplicatesOf(file) {
    if (!this.requests.has(file)) this.requests.set(file, this.fetchDuplicates(file));
    return this.requests.get(file);
  }

  async fetchDuplicates(file) {
    try {
      const body = new FormData();
      // The file itself if this browser cannot read its format.
      const picture = await rendition(file).catch(() => file);
      body.append("images", picture, "rendition.jpg");
      body.append("checksums", JSON.stringify([await checksum(file)]));
      const [{ duplicates }] = await this.check(body);
      return duplicates;
    } catch (error) {
      console.warn("Duplicates could not be checked:", error); // the upload works without it
      return [];
    }
  }

  row({ kind, own, post_id: postId, title, user, image, created_at: when }) {
    const item = this.template.content.firstElementChild.cloneNode(true);
    const language = document.documentElement.lang;
    const date = new Date(when).toLocaleDateString(language, { dateStyle: "long" });
    item.querySelector("img").src = image.thumbnail_url;
    item.querySelector("[data-words]").textContent = this.text(`${own ? "own" : "other"}-${kind}`)
      .replace("%(date)s", () => date)
      .replace("%(name)s", () => `\u2068${`${user.first_name} ${user.last_name}`.trim()}\u2069`); // isolates a name's direction
    const link = item.querySelector("a");
    link.href = `/post/${postId}`;
    link.textContent = title;
    link.dir = "auto";
    return item;
  }
}

async function rendition(file) {
  const bitmap = await createImageBitmap(file);
  const scale = Math.min(1, MAX_SIDE / Math.max(bitmap.width, bitmap.height));
  const size = (side) => Math.max(1, Math.round(side * scale));
  const canvas = new OffscreenCanvas(size(bitmap.width), size(bitmap.height));
  const context = canvas.getContext("2d");
  context.fillStyle = "white"; // as on the server, behind transparent pictures
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return canvas.convertToBlob({ type: "image/jpeg", quality: 0.9 });
}

/** SHA-256 in hex; empty if the browser offers no cryptography, as over plain HTTP. */
async function checksum(file) {
  if (!globalThis.crypto?.subtle) return "";
  const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
