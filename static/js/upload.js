// The upload page: choose, send with progress, then follow the AI.

import { ChosenPictures } from "./chosen.js";
import { onFiles } from "./dropzone.js";
import { Repeats } from "./repeats.js";

const byId = (id) => document.getElementById(id);
const form = byId("upload");
const input = byId("images");
const limits = form.dataset;
const errorTexts = JSON.parse(byId("error-texts").textContent); // by code
const text = (key) =>
  byId("texts").content.querySelector(`[data-text="${key}"]`).textContent;

const repeats = new Repeats(byId("repeats"), byId("repeat"), text, checkDuplicates);
const chosen = new ChosenPictures(byId("chosen"), byId("chosen-picture"), (key, name) => {
  if (key) say(`${text(key)} ${name}`);
  showRepeats();
});
let request = null;

input.required = false; // the list below is what is sent
onFiles(form.querySelector("[data-dropzone]"), input, (files) => {
  if (!request) addAll(files);
  input.value = "";
});

function addAll(files) {
  const problems = [];
  for (const file of files) {
    const problem = problemOf(file);
    if (problem) problems.push(problem);
    else chosen.add(file);
  }
  showError([...new Set(problems)].join(" "));
}

async function showRepeats() {
  const known = await repeats.show(chosen.inOrder);
  byId("send").textContent = text(known ? "anyway" : "share");
}

/** The answer's data: for each picture of the form, where it was posted before. */
async function checkDuplicates(body) {
  const headers = { "X-CSRFToken": csrfToken(), Accept: "application/json" };
  const answer = await fetch(limits.check, { method: "POST", headers, body });
  if (!answer.ok) throw new Error(`${answer.status}`);
  return (await answer.json()).data;
}

function problemOf(file) {
  if (!limits.contentTypes.split(",").includes(file.type)) return `${text("type")} ${file.name}.`;
  if (file.size > Number(limits.maxMegabytes) * 1024 * 1024) {
    return `${text("large")} ${file.name}.`;
  }
  return chosen.files.size >= Number(limits.maxFiles) ? text("many") : "";
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (request) return;
  if (chosen.files.size === 0) {
    showError(text("none"));
    input.focus();
    return;
  }
  send();
});

function send() {
  const body = new FormData(form); // before the captions' inputs are disabled
  body.delete("images");
  for (const file of chosen.inOrder) body.append("images", file, file.name);
  body.append("user_captions", JSON.stringify(chosen.captions));
  const key = body.get("request_key");
  for (const name of ["csrfmiddlewaretoken", "request_key"]) body.delete(name);

  request = new XMLHttpRequest();
  request.responseType = "json";
  request.upload.addEventListener("progress", showProgress);
  request.addEventListener("load", finish);
  request.addEventListener("error", () => stop(text("network")));
  request.addEventListener("abort", () => stop(text("cancelled")));
  request.open("POST", limits.api);
  request.setRequestHeader("X-CSRFToken", csrfToken());
  request.setRequestHeader("Accept", "application/json");
  request.setRequestHeader("Idempotency-Key", key); // a retry makes no second post, “anyway” does
  setBusy(true);
  byId("cancel").focus();
  request.send(body);
}

/** The cookie's, which a login in another tab renews, and not the form's. */
function csrfToken() {
  return document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1] ?? "";
}

function showProgress({ loaded, total }) {
  const share = total ? loaded / total : 0;
  chosen.showProgress(share);
  byId("progress").value = 100 * share;
  const words = share < 1 ? text("uploading") : text("checking");
  byId("progress-text").textContent = `${words} · ${Math.floor(100 * share)} %`;
  const quarter = `${words} ${25 * Math.floor(4 * share)} %`;
  if (byId("said").textContent !== quarter) say(quarter);
}

function finish() {
  const { status, response } = request;
  if (status === 201) return showUploaded(response.data.id);
  if (status === 401 || status === 403) return stop(text("login"));
  stop(errorText(request) || response?.error || text("failed"));
}

/** The error's text in the language of the page; a value in it stands as %(name)s. */
function errorText(answer) {
  const template = errorTexts[answer.getResponseHeader("Error-Code")] ?? "";
  const values = new URLSearchParams(answer.getResponseHeader("Error-Parameters") ?? "");
  return [...values].reduce((text, [name, value]) => text.replace(`%(${name})s`, value), template);
}

function stop(message) {
  request = null;
  setBusy(false);
  showError(message);
  byId("send").focus();
}

function showUploaded(postId) {
  request = null;
  form.hidden = true;
  const post = `/post/${postId}`;
  byId("uploaded").hidden = false;
  byId("uploaded-link").href = post;
  byId("uploaded").querySelector("h2").focus();
  window.htmx.ajax("GET", `${post}/state`, { target: "#uploaded-state" });
}

function setBusy(busy) {
  byId("sending").hidden = !busy;
  byId("send").hidden = busy;
  byId("details").inert = busy;
  chosen.setBusy(busy);
  form.classList.toggle("busy", busy);
  input.disabled = busy;
  if (busy) {
    showError("");
    showProgress({ loaded: 0, total: 1 });
  }
}

function showError(message) {
  byId("error").textContent = message;
  byId("error").hidden = !message;
}

function say(message) {
  byId("said").textContent = message;
}

byId("cancel").addEventListener("click", () => request?.abort());
window.addEventListener("beforeunload", (event) => {
  if (request || (chosen.files.size > 0 && !form.hidden)) event.preventDefault();
});
