// Files of engines and generators often bring no picture: their steps are arranged here.

import { layoutProcess } from "bpmn-auto-layout";

export const hasPicture = (xml) => /BPMNShape[\s>]/.test(xml);

/** The layout follows `incoming` and `outgoing`, which a file need not have. */
export async function arrange(xml, moddle) {
  const { rootElement, elementsById } = await moddle.fromXML(xml);
  for (const flow of Object.values(elementsById).filter((one) => one.$type === "bpmn:SequenceFlow")) {
    for (const [end, list] of [[flow.sourceRef, "outgoing"], [flow.targetRef, "incoming"]]) {
      if (end && !end.get(list).includes(flow)) end.get(list).push(flow);
    }
  }
  return layoutProcess((await moddle.toXML(rootElement)).xml);
}
