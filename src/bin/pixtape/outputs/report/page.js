"use strict";
// What moves on a page besides the curves: smoothing, sample grids through time, tables that sort, the time of writing, following a run.
const one = selector => document.querySelector(selector);

const smoothing = one("#smoothing");
if (smoothing) {
  const set = () => {
    view.share = smoothing.value / 100;
    const steps = window_steps();
    one("#smoothed").textContent = steps > 1 ? `over ${steps.toLocaleString("en")} steps` : "off";
    charts.forEach(chart => chart.draw());
  };
  smoothing.addEventListener("input", set);
  one("#log").addEventListener("change", event => {
    view.log = event.target.checked;
    charts.forEach(chart => chart.draw());
  });
  for (const button of document.querySelectorAll("[data-whole]")) button.addEventListener("click", () => zoom(...range()));
  set();
}

const slider = one("#moment");
if (slider) {
  const frames = [...document.querySelectorAll(".frame")], play = one("#play");
  const show = () => {
    frames.forEach((frame, i) => { frame.hidden = i !== Number(slider.value); });
    const label = frames[slider.value].dataset.label;
    one("#when").textContent = label;
    slider.setAttribute("aria-valuetext", label);
  };
  let timer = null;
  const stop = () => {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
  };
  slider.addEventListener("input", () => { stop(); show(); });
  play.addEventListener("click", () => {
    if (timer !== null) return stop();
    if (slider.value === slider.max) slider.value = 0;
    play.textContent = "Stop";
    show();
    timer = setInterval(() => {
      slider.value = Number(slider.value) + 1;
      show();
      if (slider.value === slider.max) stop();
    }, 350);
  });
  show();
}

for (const head of document.querySelectorAll("th[data-sort]")) {
  const button = head.querySelector("button"), table = head.closest("table"), body = table.tBodies[0];
  button.addEventListener("click", () => {
    const up = head.getAttribute("aria-sort") !== "ascending", column = head.cellIndex;
    for (const other of table.querySelectorAll("th[data-sort]")) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const value = row => row.cells[column].dataset.value ?? row.cells[column].textContent;
    const order = (a, b) => head.dataset.sort === "number" ? value(a) - value(b) : value(a).localeCompare(value(b), "en", { numeric: true });
    body.replaceChildren(...[...body.rows].sort((a, b) => up ? order(a, b) : order(b, a)));
  });
}

for (const time of document.querySelectorAll("time[data-ms]"))
  time.textContent = new Date(Number(time.dataset.ms)).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });

// Following is kept in the address, so that it outlives the reload.
const follow = one("#follow");
if (follow) {
  let timer = null;
  const set = () => {
    clearTimeout(timer);
    if (follow.checked) timer = setTimeout(() => location.reload(), 20000);
  };
  follow.checked = location.hash === "#follow";
  follow.addEventListener("change", () => {
    history.replaceState(null, "", follow.checked ? "#follow" : "#");
    set();
  });
  set();
}
