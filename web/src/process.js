// The process picture: `data-process` is the address of the BPMN XML, `data-trail` that of
// {"trail": [element ids passed], "live": [element ids of waiting steps]}, `data-table` the id of
// the table of steps on the page, from whose rows the picture takes its numbers.
// The page says everything as text too; this only shows it as a picture.

import NavigatedViewer from "bpmn-js/lib/NavigatedViewer";
import { arrange, hasPicture } from "./arrange.js";

async function text(address) {
  const response = await fetch(address, { headers: { accept: "*/*" } });
  if (!response.ok) throw new Error(`${address}: ${response.status}`);
  return response.text();
}

async function draw(place) {
  const [xml, trail] = await Promise.all([
    text(place.dataset.process),
    place.dataset.trail ? text(place.dataset.trail).then(JSON.parse) : { trail: [], live: [] },
  ]);
  const viewer = new NavigatedViewer({ container: place });
  await viewer.importXML(hasPicture(xml) ? xml : await arrange(xml, viewer.get("moddle")));
  const canvas = viewer.get("canvas");
  const registry = viewer.get("elementRegistry");
  const light = (ids, marker) => {
    for (const id of ids ?? []) if (registry.get(id)) canvas.addMarker(id, marker);
  };
  light(trail.trail, "tb-passed");
  light(trail.live, "tb-live");
  const table = document.getElementById(place.dataset.table ?? "");
  if (table) connect(viewer, table);
  canvas.zoom("fit-viewport", "auto");
  // A little air around it; never larger than drawn.
  canvas.zoom(Math.min(canvas.zoom() * 0.95, 1), "auto");
  place.classList.add("tb-drawn");
}

/** The newest row of each element; a step that was taken twice has two. */
function rowsOf(table) {
  const rows = new Map();
  for (const row of table.querySelectorAll("tr[data-element]")) rows.set(row.dataset.element, row);
  return rows;
}

/** Picture and table point at one another, and the table's numbers stand at the elements. */
function connect(viewer, table) {
  const rows = rowsOf(table);
  const canvas = viewer.get("canvas");
  const registry = viewer.get("elementRegistry");
  const overlays = viewer.get("overlays");
  for (const [id, row] of rows) {
    if (!registry.get(id)) continue;
    row.addEventListener("mouseenter", () => canvas.addMarker(id, "tb-pointed"));
    row.addEventListener("mouseleave", () => canvas.removeMarker(id, "tb-pointed"));
    standing(overlays, id, row.dataset);
    if (Number(row.dataset.stopped) > 0) canvas.addMarker(id, "tb-halted");
  }
  let tip = null;
  viewer.on("element.hover", ({ element }) => {
    const words = rows.get(element.id)?.dataset.lasted ?? rows.get(element.id)?.dataset.medianWords;
    if (words && words !== "—") tip = overlays.add(element.id, "tip", note("tb-tip", words, { bottom: -6, left: 0 }));
  });
  viewer.on("element.out", () => {
    if (tip) overlays.remove(tip);
    tip = null;
  });
  viewer.on("element.click", ({ element }) => {
    rows.get(element.id)?.scrollIntoView({ block: "center" });
    for (const row of rows.values()) row.classList.toggle("tb-picked", row.dataset.element === element.id);
  });
  heat(canvas, registry, rows);
}

function note(className, words, position) {
  const html = document.createElement("div");
  html.className = className;
  html.textContent = words;
  return { position, html };
}

function standing(overlays, id, { standing, overdue, stopped }) {
  if (Number(standing) > 0) overlays.add(id, "standing", note("tb-pill", standing, { top: -10, right: 12 }));
  const bad = Number(overdue ?? 0) + Number(stopped ?? 0);
  if (bad > 0) overlays.add(id, "bad", note("tb-pill tb-pill-bad", `▲ ${bad}`, { top: -10, left: -8 }));
}

/** Colours elements in four steps by the measure that is chosen above the picture. */
function heat(canvas, registry, rows) {
  const choice = document.querySelector("[data-heat-for]");
  if (!choice) return;
  choice.hidden = false;
  const colour = () => {
    const measure = choice.querySelector("input:checked").value;
    const values = [...rows].filter(([id]) => registry.get(id)).map(([id, row]) => [id, Number(row.dataset[measure])]);
    const most = Math.max(...values.map(([, value]) => value), 0);
    for (const [id, value] of values) {
      const step = value > 0 ? Math.ceil((value / most) * 4) : 0;
      for (const n of [1, 2, 3, 4]) {
        if (n === step) canvas.addMarker(id, `tb-heat-${n}`);
        else canvas.removeMarker(id, `tb-heat-${n}`);
      }
    }
  };
  choice.addEventListener("change", colour);
  colour();
}

// A picture can only be fitted to a place that has a size: not inside a closed <details>.
const seen = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    seen.unobserve(target);
    draw(target).catch((error) => {
      console.warn("process picture:", error);
      target.hidden = true;
    });
  }
});
for (const place of document.querySelectorAll("[data-process]")) seen.observe(place);
