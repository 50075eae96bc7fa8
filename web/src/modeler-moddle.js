// Our attributes (https://tongban.dev/bpmn) as the BPMN library has to know them. Attributes that
// are not listed, and those of other engines, are kept as they came. A test of
// blocks/workflow/src/read/foreign.rs compares the list with what the server understands.

export const NAMES = [
  "candidates", "org", "assignee", "officers", "form", "days", "hours", "outcomes", "suspends",
  "sign", "signers", "veto", "skip", "choose", "fields", "labels", "starters", "remind", "escalate",
  "call", "topic", "retries", "decision", "result", "initiator", "workingDays", "correlation",
  "collection", "elementVariable", "outputCollection", "outputElement",
];

const attribute = (name) => ({ name, isAttr: true, type: "String" });

export default {
  name: "Tongban",
  prefix: "tongban",
  uri: "https://tongban.dev/bpmn",
  xml: { tagAlias: "lowerCase" },
  types: [
    { name: "Attributes", extends: ["bpmn:BaseElement"], properties: NAMES.map(attribute) },
    { name: "Input", superClass: ["Element"], properties: [attribute("target"), attribute("source")] },
    { name: "Output", superClass: ["Element"], properties: [attribute("target"), attribute("source")] },
    { name: "Property", superClass: ["Element"], properties: [attribute("name"), attribute("value")] },
  ],
};
