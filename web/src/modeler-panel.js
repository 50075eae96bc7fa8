// The form beside the drawing: shows what the selected element has, and writes what is typed.
// Its fields are in the page (templates/processes/modeler.html); `data-prop` says where a value
// lives in the model, `data-for` for which elements a field is shown.

import { is } from "bpmn-js/lib/util/ModelUtil";
import { NAMES } from "./modeler-moddle.js";

const OURS = "tongban:";

/** Attributes with fields of their own; all others share one text. */
const TIMES = ["timeDuration", "timeDate", "timeCycle"];
const NAMED = {
  "bpmn:MessageEventDefinition": ["messageRef", "bpmn:Message"],
  "bpmn:SignalEventDefinition": ["signalRef", "bpmn:Signal"],
  "bpmn:ErrorEventDefinition": ["errorRef", "bpmn:Error", "errorCode"],
  "bpmn:EscalationEventDefinition": ["escalationRef", "bpmn:Escalation", "escalationCode"],
  "bpmn:ReceiveTask": ["messageRef", "bpmn:Message"],
  "bpmn:SendTask": ["messageRef", "bpmn:Message"],
};

const lower = (type) => type.replace(/^[a-z]+:/, "").replace(/^./, (c) => c.toLowerCase());

export class Panel {
  constructor(modeler) {
    this.modeler = modeler;
    this.form = document.getElementById("panel");
    this.title = document.getElementById("panel-kind");
    const pairs = this.title.dataset.kinds.split(";").filter(Boolean);
    this.kinds = new Map(pairs.map((pair) => pair.split("=")));
    this.fields = [...this.form.querySelectorAll("[data-prop]")];
    this.known = new Set(this.fields.map((field) => field.dataset.prop));
    this.all = [];
    modeler.on("selection.changed", () => this.show());
    modeler.on("import.done", () => this.show());
    modeler.on("commandStack.changed", () => this.show());
    this.form.addEventListener("change", (event) => this.typed(event.target));
    this.form.addEventListener("submit", (event) => event.preventDefault());
  }

  get(name) {
    return this.modeler.get(name);
  }

  /** The selected element, or the sheet itself. */
  get element() {
    const element = this.get("selection").get()[0] ?? this.get("canvas").getRootElement();
    return element?.labelTarget ?? element;
  }

  kindOf(element) {
    return lower(element.businessObject?.$type ?? element.type);
  }

  processId() {
    const root = this.get("canvas").getRootElement().businessObject;
    const pool = root.participants?.find((participant) => participant.processRef);
    return (pool?.processRef ?? root).id;
  }

  set findings(findings) {
    this.all = findings;
    this.show();
  }

  /** Names by which `data-for` knows an element. */
  tags(element) {
    const object = element.businessObject;
    const tags = new Set([this.kindOf(element)]);
    if (is(element, "bpmn:Activity")) tags.add("activity");
    for (const definition of object.eventDefinitions ?? []) {
      tags.add(lower(definition.$type).replace("EventDefinition", ""));
    }
    if (NAMED[object.$type]) tags.add("message");
    if (object.loopCharacteristics?.$instanceOf("bpmn:MultiInstanceLoopCharacteristics")) tags.add("multi");
    return tags;
  }

  show() {
    const element = this.element;
    if (!element?.businessObject) return;
    const tags = this.tags(element);
    const kind = this.kindOf(element);
    this.title.textContent = this.kinds.get(kind) ?? kind;
    for (const part of this.form.querySelectorAll("[data-for]")) {
      const wanted = part.dataset.for.split(" ");
      part.hidden = !wanted.some((tag) => tag === "*" || tags.has(tag));
    }
    for (const field of this.fields) {
      if (field.closest("[data-for]").hidden) continue;
      const value = this.read(element, field.dataset.prop);
      field.removeAttribute("aria-invalid");
      if (field.type === "checkbox") field.checked = Boolean(value);
      else field.value = value ?? "";
    }
    this.showFindings(element);
  }

  showFindings(element) {
    const mine = this.all.filter((finding) => finding.element === element.id);
    document.getElementById("panel-findings").replaceChildren(
      ...mine.map((finding) => {
        const item = document.createElement("li");
        item.className = finding.severity === "error" ? "tb-danger" : "tb-warning";
        item.textContent = finding.message;
        return item;
      }),
    );
  }

  // Reading

  definition(element) {
    return element.businessObject.eventDefinitions?.[0];
  }

  /** The event definition or task that names a message and the like, with how it does. */
  naming(element) {
    const object = NAMED[element.businessObject.$type] ? element.businessObject : this.definition(element);
    return object && NAMED[object.$type] ? [object, ...NAMED[object.$type]] : [];
  }

  read(element, prop) {
    const object = element.businessObject;
    if (prop.startsWith(OURS)) return this.ours(object, prop);
    if (prop.startsWith("loop:")) return this.loop(object, prop.slice(5));
    const [named, reference, , code] = this.naming(element);
    const special = {
      name: () => (is(element, "bpmn:TextAnnotation") ? object.text : object.name),
      documentation: () => object.documentation?.[0]?.text,
      condition: () => object.conditionExpression?.body,
      default: () => object.sourceRef?.default === object,
      isExecutable: () => this.process(object)?.isExecutable,
      "timer-kind": () => TIMES.find((time) => this.definition(element)?.[time]) ?? "workingDays",
      timer: () => this.timer(element),
      "event-name": () => named?.[reference]?.name,
      "event-code": () => named?.[reference]?.[code],
      "event-condition": () => this.definition(element)?.condition?.body,
      cancelActivity: () => object.cancelActivity !== false,
      other: () => this.others(object).map(([name, value]) => `${name}=${value}`).join("\n"),
    };
    return special[prop] ? special[prop]() : object.get(prop);
  }

  ours(object, prop) {
    return object.get(prop) ?? object.$attrs?.[prop];
  }

  loop(object, name) {
    const loop = object.loopCharacteristics;
    const value = NAMES.includes(name) ? this.ours(loop, OURS + name) : loop?.get(name);
    return value?.body ?? value;
  }

  timer(element) {
    const definition = this.definition(element);
    const time = TIMES.find((name) => definition[name]);
    return time ? definition[time].body : this.ours(definition, `${OURS}workingDays`);
  }

  process(object) {
    return object.$type === "bpmn:Participant" ? object.processRef : object;
  }

  /** Our attributes that have no field of their own. */
  others(object) {
    const listed = NAMES.map((name) => [name, object.get(OURS + name)]);
    const kept = Object.entries(object.$attrs ?? {})
      .filter(([name]) => name.startsWith(OURS))
      .map(([name, value]) => [name.slice(OURS.length), value]);
    return [...listed, ...kept].filter(([name, value]) => value !== undefined && !this.known.has(OURS + name));
  }

  // Writing

  typed(field) {
    const element = this.element;
    const value = field.type === "checkbox" ? field.checked : field.value.trim() || undefined;
    if (field.dataset.prop === "id" && !this.isFree(element, value)) {
      field.setAttribute("aria-invalid", "true");
      field.value = element.businessObject.id;
      return;
    }
    this.write(element, field.dataset.prop, value);
  }

  isFree(element, id) {
    if (id === element.businessObject.id) return true;
    return /^[\p{L}_][\p{L}\p{N}_.-]*$/u.test(id ?? "") && !this.get("moddle").ids.assigned(id);
  }

  write(element, prop, value) {
    const object = element.businessObject;
    const modeling = this.get("modeling");
    const set = (properties) => modeling.updateProperties(element, properties);
    const inside = (what, properties) => modeling.updateModdleProperties(element, what, properties);
    if (prop.startsWith("loop:")) {
      this.writeLoop(element, prop.slice(5), value, inside);
      return;
    }
    const special = {
      name: () => (is(element, "bpmn:TextAnnotation") ? set({ text: value }) : set({ name: value })),
      documentation: () => set({ documentation: value ? [this.create("bpmn:Documentation", { text: value }, object)] : [] }),
      condition: () => set({ conditionExpression: this.expression(value, object) }),
      default: () => modeling.updateProperties(element.source, { default: value ? object : undefined }),
      isExecutable: () => inside(this.process(object), { isExecutable: value }),
      "timer-kind": () => this.writeTimer(element, value, this.timer(element), inside),
      timer: () => this.writeTimer(element, document.getElementById("prop-timer-kind").value, value, inside),
      "event-name": () => this.writeName(element, value, inside),
      "event-code": () => this.writeCode(element, value, inside),
      "event-condition": () => inside(this.definition(element), { condition: this.expression(value, this.definition(element)) }),
      other: () => set(this.otherProperties(object, value)),
    };
    if (special[prop]) special[prop]();
    else set({ [prop]: value });
  }

  create(type, properties, parent) {
    const made = this.get("bpmnFactory").create(type, properties);
    made.$parent = parent;
    return made;
  }

  expression(body, parent) {
    return body ? this.create("bpmn:FormalExpression", { body }, parent) : undefined;
  }

  writeLoop(element, name, value, inside) {
    const loop = element.businessObject.loopCharacteristics;
    inside(loop, NAMES.includes(name) ? { [OURS + name]: value } : { [name]: this.expression(value, loop) });
  }

  writeTimer(element, kind, value, inside) {
    const definition = this.definition(element);
    const properties = { [`${OURS}workingDays`]: undefined };
    for (const time of TIMES) properties[time] = undefined;
    if (kind === "workingDays") properties[`${OURS}workingDays`] = value;
    else properties[kind] = this.expression(value ?? "PT1H", definition);
    inside(definition, properties);
  }

  /** Events of one name share one declaration; a new name makes a new one. */
  writeName(element, name, inside) {
    const [named, reference, type] = this.naming(element);
    const definitions = this.modeler.getDefinitions();
    let declared = definitions.rootElements.find((root) => root.$type === type && root.name === name);
    if (name && !declared) {
      declared = this.create(type, { name }, definitions);
      inside(definitions, { rootElements: [...definitions.rootElements, declared] });
    }
    inside(named, { [reference]: name ? declared : undefined });
  }

  writeCode(element, value, inside) {
    const [named, reference, , code] = this.naming(element);
    if (!named[reference]) this.writeName(element, value, inside);
    if (named[reference]) inside(named[reference], { [code]: value });
  }

  otherProperties(object, text) {
    const properties = Object.fromEntries(this.others(object).map(([name]) => [OURS + name, undefined]));
    for (const line of (text ?? "").split("\n")) {
      const [, name, value] = line.match(/^\s*([A-Za-z_][\w.-]*)\s*=\s*(.*?)\s*$/) ?? [];
      if (name) properties[OURS + name] = value;
    }
    return properties;
  }
}
