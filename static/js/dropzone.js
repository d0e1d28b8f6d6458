// Files from a picker, a drop anywhere on the page, or the clipboard.

const filesOf = (transfer) => [...(transfer?.files ?? [])];
const carriesFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

/** Calls `take(files)` with one or more File objects, however they were given. */
export function onFiles(zone, input, take) {
  let depth = 0; // dragenter and dragleave also come from the elements inside
  const mark = (change) => {
    depth = change === 0 ? 0 : Math.max(0, depth + change);
    zone.classList.toggle("over", depth > 0);
  };
  const listen = (type, act) => {
    document.addEventListener(type, (event) => {
      if (!carriesFiles(event)) return;
      event.preventDefault(); // or the browser leaves the page to show the file
      act(event);
    });
  };
  listen("dragenter", () => mark(1));
  listen("dragleave", () => mark(-1));
  listen("dragover", () => {});
  listen("drop", (event) => {
    mark(0);
    give(filesOf(event.dataTransfer));
  });
  document.addEventListener("paste", (event) => {
    const files = filesOf(event.clipboardData);
    if (files.length === 0) return; // text for a field
    event.preventDefault();
    give(files);
  });
  input.addEventListener("change", () => give(filesOf(input)));

  function give(files) {
    if (files.length > 0) take(files);
  }
}
