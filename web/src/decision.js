// The page where a decision is drawn: dmn-js.

import Modeler from "dmn-js/lib/Modeler";
import { changed, run } from "./modeler-doors.js";
import { translate } from "./modeler-words.js";

const BLANK = `<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" xmlns:dmndi="https://www.omg.org/spec/DMN/20191111/DMNDI/" xmlns:dc="http://www.omg.org/spec/DMN/20180521/DC/" xmlns:di="http://www.omg.org/spec/DMN/20180521/DI/" id="definitions" name="decision" namespace="https://tongban.dev/decisions">
  <inputData id="input" name="input">
    <variable id="input_variable" name="input" />
  </inputData>
  <decision id="decision" name="decision">
    <variable id="decision_variable" name="decision" />
    <informationRequirement id="requirement"><requiredInput href="#input" /></informationRequirement>
    <decisionTable id="table" hitPolicy="FIRST">
      <input id="column" label="input"><inputExpression id="expression" typeRef="string"><text>input</text></inputExpression></input>
      <output id="result" name="result" typeRef="string" />
    </decisionTable>
  </decision>
  <dmndi:DMNDI>
    <dmndi:DMNDiagram id="diagram">
      <dmndi:DMNEdge id="edge" dmnElementRef="requirement"><di:waypoint x="290" y="240" /><di:waypoint x="290" y="180" /><di:waypoint x="290" y="160" /></dmndi:DMNEdge>
      <dmndi:DMNShape id="decision_shape" dmnElementRef="decision"><dc:Bounds height="80" width="180" x="200" y="80" /></dmndi:DMNShape>
      <dmndi:DMNShape id="input_shape" dmnElementRef="input"><dc:Bounds height="45" width="125" x="228" y="240" /></dmndi:DMNShape>
    </dmndi:DMNDiagram>
  </dmndi:DMNDI>
</definitions>`;

const words = { translate: ["value", translate] };
const part = { additionalModules: [words] };
const modeler = new Modeler({
  container: "#canvas",
  drd: part,
  decisionTable: part,
  literalExpression: part,
  boxedExpression: part,
});
const bar = document.querySelector(".tb-views");

/** One button for each decision and one for how they hang together. */
function listViews({ activeView, views }) {
  bar.replaceChildren(
    ...views.map((view) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "btn btn-outline-primary";
      button.textContent = view.type === "drd" ? bar.dataset.overview : view.element.name || view.element.id;
      if (view === activeView) button.setAttribute("aria-current", "true");
      button.addEventListener("click", () => modeler.open(view));
      return button;
    }),
  );
}

const watched = new WeakSet();

function watch() {
  const viewer = modeler.getActiveViewer();
  if (!viewer || watched.has(viewer)) return;
  watched.add(viewer);
  viewer.on("elements.changed", () => changed());
}

modeler.on("views.changed", (event) => {
  listViews(event);
  watch();
});

// The column that counts the rules has no heading of its own.
new MutationObserver(() => {
  for (const cell of document.querySelectorAll("th.index-column:empty")) cell.textContent = "#";
}).observe(document.getElementById("canvas"), { childList: true, subtree: true });

function definitions() {
  return modeler.getDefinitions();
}

async function open(xml) {
  await modeler.importXML(xml, { open: false });
  const views = modeler.getViews();
  const first = views.find((view) => view.type === "decisionTable") ?? views[0];
  if (first) await modeler.open(first);
}

run(
  {
    ending: "dmn",
    open,
    select: (id) => {
      const view = modeler.getViews().find((one) => one.element.id === id);
      if (view) modeler.open(view);
    },
    mark: () => {},
    xml: async () => (await modeler.saveXML({ format: true })).xml,
    suggestedKey: () => definitions()?.name ?? "",
    acts: {},
  },
  BLANK,
);
