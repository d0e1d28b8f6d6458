// Files from the file picker, from a drop anywhere on the page, or from the clipboard.

const filesOf = (transfer) => [...(transfer?.files ?? [])];
const carriesFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

/** Calls `onChosen(files)` with one or more File objects from any of these sources. */
export function onFiles(zone, input, onChosen) {
  let depth = 0; // dragenter and dragleave also bubble from the elements inside
  const changeDepth = (change) => {
    depth = change === 0 ? 0 : Math.max(0, depth + change);
    zone.classList.toggle("over", depth > 0);
  };
  const listen = (type, handle) => {
    document.addEventListener(type, (event) => {
      if (!carriesFiles(event)) return;
      event.preventDefault(); // or the browser would open the file
      handle(event);
    });
  };
  listen("dragenter", () => changeDepth(1));
  listen("dragleave", () => changeDepth(-1));
  listen("dragover", () => {});
  listen("drop", (event) => {
    changeDepth(0);
    report(filesOf(event.dataTransfer));
  });
  document.addEventListener("paste", (event) => {
    const files = filesOf(event.clipboardData);
    if (files.length === 0) return; // pasted text
    event.preventDefault();
    report(files);
  });
  input.addEventListener("change", () => report(filesOf(input)));

  function report(files) {
    if (files.length > 0) onChosen(files);
  }
}
