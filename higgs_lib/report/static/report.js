// The switch for all code, and figures that a click enlarges.
document.addEventListener("DOMContentLoaded", () => {
  const code = document.querySelectorAll("details.hide");
  const heading = document.querySelector("article.bd-article h1");
  if (code.length && heading) {
    const button = document.createElement("button");
    button.type = "button";
    button.id = "show-code";
    button.setAttribute("aria-pressed", "false");
    button.textContent = "Show all code";
    button.addEventListener("click", () => {
      const shown = button.getAttribute("aria-pressed") === "false";
      button.setAttribute("aria-pressed", shown);
      button.textContent = shown ? "Hide all code" : "Show all code";
      code.forEach((block) => { block.open = shown; });
    });
    heading.after(button);
  }

  const dialog = document.createElement("dialog");
  dialog.className = "enlarged";
  dialog.setAttribute("aria-label", "Enlarged figure");
  const close = document.createElement("button");
  close.type = "button";
  close.textContent = "Close";
  const figure = document.createElement("div");
  figure.tabIndex = 0;
  figure.setAttribute("role", "group");
  figure.setAttribute("aria-label", "Figure; scroll to see all of it");
  dialog.append(close, figure);
  document.body.append(dialog);
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  document.querySelectorAll("button.enlarge").forEach((button) => {
    button.addEventListener("click", () => {
      figure.replaceChildren(button.querySelector("img").cloneNode());
      dialog.showModal();
    });
  });
});
