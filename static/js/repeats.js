// Warns of pictures that were posted before. A small rendition is sent, and the file's checksum.

const SIDE = 480; // pixels

export class Repeats {
  /** `check(form)` resolves to a list of `{duplicates}` for the form's pictures. */
  constructor(box, template, text, check) {
    this.box = box;
    this.template = template;
    this.text = text;
    this.check = check;
    this.known = new WeakMap(); // File → promise of its duplicates
  }

  /** Shows what is known of these files as it comes in; whether there was anything. */
  async show(files) {
    this.shown = files;
    const found = await Promise.all(files.map((file) => this.duplicatesOf(file)));
    if (this.shown !== files) return !this.box.hidden; // they have changed meanwhile
    const posts = new Map(found.flat().map((each) => [each.post_id, each]));
    this.box.querySelector("ul").replaceChildren(...[...posts.values()].map((each) => this.row(each)));
    this.box.hidden = posts.size === 0;
    return posts.size > 0;
  }

  duplicatesOf(file) {
    if (!this.known.has(file)) this.known.set(file, this.ask(file));
    return this.known.get(file);
  }

  async ask(file) {
    try {
      const body = new FormData();
      body.append("images", await rendition(file), "rendition.jpg");
      body.append("checksums", JSON.stringify([await checksum(file)]));
      const [answer] = await this.check(body);
      return answer.duplicates;
    } catch (error) {
      console.warn("Not compared with earlier pictures:", error); // it is only a warning that is missing
      return [];
    }
  }

  row({ kind, own, post_id: postId, title, user, image, created_at: when }) {
    const item = this.template.content.firstElementChild.cloneNode(true);
    const date = new Date(when).toLocaleDateString(document.documentElement.lang, { dateStyle: "long" });
    item.querySelector("img").src = image.thumbnail_url;
    item.querySelector("[data-words]").textContent = this.text(`${own ? "own" : "other"}-${kind}`)
      .replace("%(date)s", () => date)
      .replace("%(name)s", () => `${user.first_name} ${user.last_name}`.trim());
    const link = item.querySelector("a");
    link.href = `/post/${postId}`;
    link.textContent = title;
    return item;
  }
}

async function rendition(file) {
  const bitmap = await createImageBitmap(file);
  const scale = Math.min(1, SIDE / Math.max(bitmap.width, bitmap.height));
  const size = (side) => Math.max(1, Math.round(side * scale));
  const canvas = new OffscreenCanvas(size(bitmap.width), size(bitmap.height));
  const context = canvas.getContext("2d");
  context.fillStyle = "white"; // what the server puts behind a transparent picture
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return canvas.convertToBlob({ type: "image/jpeg", quality: 0.9 });
}

/** SHA-256 in hex; blank where the browser has no cryptography, as over plain HTTP. */
async function checksum(file) {
  if (!globalThis.crypto?.subtle) return "";
  const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
