// Shows the sliders of the gallery, and the frame that each is set to.
for (const figure of document.querySelectorAll("figure.mask")) {
  const slider = figure.querySelector("input");
  if (!slider) continue;
  const values = slider.dataset.values.split(" ");
  const frames = figure.querySelectorAll("svg > g");
  const caption = figure.nextElementSibling?.querySelector("code:last-of-type");
  const show = () => {
    frames.forEach((frame, place) => {
      if (place == slider.value) frame.removeAttribute("display");
      else frame.setAttribute("display", "none");
    });
    const value = values[slider.value];
    figure.querySelector("output").textContent = value;
    slider.setAttribute("aria-valuetext", value);
    if (caption) caption.textContent = `${caption.textContent.split("=")[0]}=${value}`;
  };
  slider.addEventListener("input", show);
  slider.closest("div").hidden = false;
  show();
}
