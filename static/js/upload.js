// The upload page: choose pictures, upload them with progress, then follow the AI's work on them.

import { ChosenPictures } from "./chosen-pictures.js";
import { onFiles } from "./dropzone.js";
import { DuplicateWarnings } from "./duplicates.js";

const byId = (id) => document.getElementById(id);
const form = byId("upload");
const input = byId("images");
const limits = form.dataset;
const errorTexts = JSON.parse(byId("error-texts").textContent); // by code
const text = (key) =>
  byId("texts").content.querySelector(`[data-text="${key}"]`).textContent;

const duplicates = new DuplicateWarnings(
  byId("duplicates"),
  byId("duplicate"),
  text,
  checkDuplicates,
);
const chosen = new ChosenPictures(byId("chosen"), byId("chosen-picture"), (key, name) => {
  if (key) announce(`${text(key)} ${name}`);
  showDuplicates();
});
let request = null;

input.required = false; // the pictures of the list below are sent, not the input's
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

async function showDuplicates() {
  const hasDuplicates = await duplicates.show(chosen.inOrder);
  byId("send").textContent = text(hasDuplicates ? "anyway" : "share");
}

/** Resolves to the earlier posts of each picture of the form. */
async function checkDuplicates(body) {
  const headers = { "X-CSRFToken": csrfToken(), Accept: "application/json" };
  const response = await fetch(limits.check, { method: "POST", headers, body });
  if (!response.ok) throw new Error(`${response.status}`);
  return (await response.json()).data;
}

function problemOf(file) {
  if (!isAccepted(file)) return `${text("type")} ${file.name}.`;
  if (file.size > Number(limits.maxMegabytes) * 1024 * 1024) {
    return `${text("large")} ${file.name}.`;
  }
  return chosen.files.size >= Number(limits.maxFiles) ? text("many") : "";
}

/** True for the types and extensions of `accept`; some systems know no type for a HEIC file. */
function isAccepted({ type, name }) {
  const extension = name.slice(name.lastIndexOf(".")).toLowerCase();
  const accepted = input.accept.split(",");
  return accepted.includes(type) || accepted.includes(extension);
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
  const body = new FormData(form); // read before setBusy disables the inputs
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
  request.setRequestHeader("Idempotency-Key", key); // a retry makes no second post
  setBusy(true);
  byId("cancel").focus();
  request.send(body);
}

/** Read from the cookie, which a login in another tab renews, unlike the form's field. */
function csrfToken() {
  return document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1] ?? "";
}

function showProgress({ loaded, total }) {
  const fraction = total ? loaded / total : 0;
  chosen.showProgress(fraction);
  byId("progress").value = 100 * fraction;
  const label = fraction < 1 ? text("uploading") : text("checking");
  byId("progress-text").textContent = `${label} · ${Math.floor(100 * fraction)} %`;
  const quarter = `${label} ${25 * Math.floor(4 * fraction)} %`;
  if (byId("announcement").textContent !== quarter) announce(quarter);
}

function finish() {
  const { status, response } = request;
  if (status === 201) return showUploaded(response.data.id);
  if (status === 401 || status === 403) return stop(text("login"));
  stop(errorText(request) || response?.error || text("failed"));
}

/** The error in the language of the page; `%(name)s` in a text is replaced by a parameter. */
function errorText(xhr) {
  const template = errorTexts[xhr.getResponseHeader("Error-Code")] ?? "";
  const parameters = new URLSearchParams(xhr.getResponseHeader("Error-Parameters") ?? "");
  const problem = fill(template, parameters);
  if (!problem || !parameters.has("file_name")) return problem;
  return fill(errorTexts.in_file, [...parameters, ["problem", problem]]);
}

function fill(template, parameters) {
  return [...parameters].reduce(
    (message, [name, value]) => message.replace(`%(${name})s`, () => value),
    template,
  );
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

/** Has screen readers read the message. */
function announce(message) {
  byId("announcement").textContent = message;
}

byId("cancel").addEventListener("click", () => request?.abort());
window.addEventListener("beforeunload", (event) => {
  if (request || (chosen.files.size > 0 && !form.hidden)) event.preventDefault();
});
