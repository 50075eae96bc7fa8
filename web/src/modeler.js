// The page where a process is drawn: bpmn-js with our properties beside it.

import Modeler from "bpmn-js/lib/Modeler";
import { arrange, hasPicture } from "./arrange.js";
import { changed, run, say, words } from "./modeler-doors.js";
import moddle from "./modeler-moddle.js";
import { Panel } from "./modeler-panel.js";
import { translate } from "./modeler-words.js";

const BLANK = `<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:bpmndi="http://www.omg.org/spec/BPMN/20100524/DI" xmlns:dc="http://www.omg.org/spec/DD/20100524/DC" xmlns:tongban="https://tongban.dev/bpmn" id="definitions" targetNamespace="https://tongban.dev/processes">
  <bpmn:process id="process" isExecutable="true">
    <bpmn:startEvent id="start" />
  </bpmn:process>
  <bpmndi:BPMNDiagram id="diagram">
    <bpmndi:BPMNPlane id="plane" bpmnElement="process">
      <bpmndi:BPMNShape id="start_shape" bpmnElement="start"><dc:Bounds x="180" y="160" width="36" height="36" /></bpmndi:BPMNShape>
    </bpmndi:BPMNPlane>
  </bpmndi:BPMNDiagram>
</bpmn:definitions>`;

const modeler = new Modeler({
  container: "#canvas",
  additionalModules: [{ translate: ["value", translate] }],
  moddleExtensions: { tongban: moddle },
});
const get = (name) => modeler.get(name);
const panel = new Panel(modeler);
const outline = document.getElementById("modeler-outline");
const kinds = panel.kinds;

const selected = () => get("selection").get()[0];
const titleOf = (element) => {
  const { name, text, id } = element.businessObject;
  return `${name || text || id} · ${kinds.get(panel.kindOf(element)) ?? panel.kindOf(element)}`;
};

function listElements() {
  const elements = get("elementRegistry").filter((element) => element.type !== "label" && element.businessObject);
  const now = (selected() ?? get("canvas").getRootElement()).id;
  outline.replaceChildren(
    ...elements.map((element) => new Option(titleOf(element), element.id, false, element.id === now)),
  );
}

function select(id) {
  const element = get("elementRegistry").get(id);
  if (!element) return;
  if (element === get("canvas").getRootElement()) {
    get("selection").select(null);
    return;
  }
  get("selection").select(element);
  get("canvas").scrollToElement(element, 80);
}

/** Puts a new element after the selected one, or onto the sheet. */
function append() {
  const type = `bpmn:${document.getElementById("modeler-append").value.replace(/^./, (c) => c.toUpperCase())}`;
  const attributes = { type };
  if (type === "bpmn:IntermediateCatchEvent") attributes.eventDefinitionType = "bpmn:TimerEventDefinition";
  if (type === "bpmn:SubProcess") attributes.isExpanded = true;
  const shape = get("elementFactory").createShape(attributes);
  const source = selected();
  if (source && !source.waypoints) {
    get("autoPlace").append(source, shape);
  } else {
    const view = get("canvas").viewbox();
    const middle = { x: view.x + view.width / 2, y: view.y + view.height / 2 };
    get("modeling").createShape(shape, middle, get("canvas").getRootElement());
    get("selection").select(shape);
  }
}

let connectingFrom = null;

function connect(button) {
  connectingFrom = connectingFrom ? null : selected();
  button.setAttribute("aria-pressed", String(Boolean(connectingFrom)));
  if (connectingFrom) outline.focus();
}

function picked() {
  const target = get("elementRegistry").get(outline.value);
  if (connectingFrom && target && target !== connectingFrom) {
    get("modeling").connect(connectingFrom, target);
    connectingFrom = null;
    document.querySelector("[data-act=connect]").setAttribute("aria-pressed", "false");
  }
  select(outline.value);
}

let marked = [];

function mark(findings) {
  for (const [id, marker] of marked) if (get("elementRegistry").get(id)) get("canvas").removeMarker(id, marker);
  marked = findings
    .filter((finding) => get("elementRegistry").get(finding.element))
    .map((finding) => [finding.element, finding.severity === "error" ? "tb-wrong" : "tb-doubtful"]);
  for (const [id, marker] of marked) get("canvas").addMarker(id, marker);
  panel.findings = findings;
}

/** Shows all of it beside the palette, never larger than drawn. */
function fit() {
  const canvas = get("canvas");
  const { inner, outer } = canvas.viewbox();
  const palette = document.querySelector(".djs-palette")?.offsetWidth ? 120 : 0;
  const margin = 24;
  const room = { width: outer.width - palette - 2 * margin, height: outer.height - 2 * margin };
  const scale = Math.min(1, room.width / inner.width, room.height / inner.height);
  canvas.viewbox({
    x: inner.x - (palette + margin) / scale,
    y: inner.y - (outer.height / scale - inner.height) / 2,
    width: outer.width / scale,
    height: outer.height / scale,
  });
}

async function open(xml) {
  const arranged = hasPicture(xml) ? xml : await arrange(xml, get("moddle"));
  await modeler.importXML(arranged);
  fit();
  listElements();
  if (arranged !== xml) say(words.arranged, "tb-warning");
}

outline.addEventListener("change", picked);
modeler.on("selection.changed", listElements);
modeler.on("commandStack.changed", () => {
  changed();
  listElements();
});

run(
  {
    ending: "bpmn",
    open,
    select,
    mark,
    xml: async () => (await modeler.saveXML({ format: true })).xml,
    suggestedKey: () => panel.processId(),
    acts: {
      append,
      connect,
      remove: () => get("modeling").removeElements(get("selection").get()),
      undo: () => get("commandStack").undo(),
      redo: () => get("commandStack").redo(),
      fit,
    },
  },
  BLANK,
);
