// Copying, also on plain http where the clipboard interface is missing.

const SHOWN_FOR = 1600;

/** Copies `text` and says so on `button` for a moment. */
export async function copyText(text, button) {
  let copied = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    copied = copyBySelection(text, button);
  }
  const label = button.querySelector("[data-label]") ?? button;
  label.dataset.before ??= label.textContent;
  label.textContent = copied ? "Copied" : "Not allowed";
  clearTimeout(Number(label.dataset.timer));
  label.dataset.timer = String(setTimeout(() => (label.textContent = label.dataset.before), SHOWN_FOR));
}

function copyBySelection(text, button) {
  const area = document.createElement("textarea");
  area.className = "visually-hidden";
  area.value = text;
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  button.focus();
  return copied;
}
