// The process picture: `data-process` is the address of the BPMN XML, `data-trail` that of
// {"trail": [element ids passed], "live": [element ids of waiting steps]}.
// The page lists the steps as text too; this only shows them as a picture.

import NavigatedViewer from "bpmn-js/lib/NavigatedViewer";

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
  await viewer.importXML(xml);
  const canvas = viewer.get("canvas");
  const registry = viewer.get("elementRegistry");
  const light = (ids, marker) => {
    for (const id of ids ?? []) if (registry.get(id)) canvas.addMarker(id, marker);
  };
  light(trail.trail, "tb-passed");
  light(trail.live, "tb-live");
  canvas.zoom("fit-viewport", "auto");
  place.classList.add("tb-drawn");
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
