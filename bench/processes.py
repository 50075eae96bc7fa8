"""The peer for processes: the same parallel approval on SpiffWorkflow, state saved and loaded
as JSON before every task, as a server without a database would."""

import io
import time

from lxml import etree
from SpiffWorkflow.bpmn.parser import BpmnParser
from SpiffWorkflow.bpmn.serializer import BpmnWorkflowSerializer
from SpiffWorkflow.bpmn.workflow import BpmnWorkflow
from SpiffWorkflow.util.task import TaskState

SECONDS = 5
APPROVAL = b"""<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" id="d" targetNamespace="t">
<process id="p" isExecutable="true"><startEvent id="s"><outgoing>f0</outgoing></startEvent>
<parallelGateway id="g"><incoming>f0</incoming><outgoing>f1</outgoing><outgoing>f3</outgoing><outgoing>f5</outgoing></parallelGateway>
<manualTask id="a"><incoming>f1</incoming><outgoing>f2</outgoing></manualTask>
<manualTask id="b"><incoming>f3</incoming><outgoing>f4</outgoing></manualTask>
<manualTask id="c"><incoming>f5</incoming><outgoing>f6</outgoing></manualTask>
<parallelGateway id="j"><incoming>f2</incoming><incoming>f4</incoming><incoming>f6</incoming><outgoing>f7</outgoing></parallelGateway>
<endEvent id="e"><incoming>f7</incoming></endEvent>
<sequenceFlow id="f0" sourceRef="s" targetRef="g"/><sequenceFlow id="f1" sourceRef="g" targetRef="a"/>
<sequenceFlow id="f2" sourceRef="a" targetRef="j"/><sequenceFlow id="f3" sourceRef="g" targetRef="b"/>
<sequenceFlow id="f4" sourceRef="b" targetRef="j"/><sequenceFlow id="f5" sourceRef="g" targetRef="c"/>
<sequenceFlow id="f6" sourceRef="c" targetRef="j"/><sequenceFlow id="f7" sourceRef="j" targetRef="e"/>
</process></definitions>"""


def per_second(saves: bool) -> float:
    """Completed instances a second, by one thread."""
    parser = BpmnParser()
    parser.add_bpmn_xml(etree.parse(io.BytesIO(APPROVAL)))
    spec = parser.get_spec("p")
    serializer = BpmnWorkflowSerializer()
    made = 0
    begin = time.monotonic()
    while time.monotonic() - begin < SECONDS:
        workflow = BpmnWorkflow(spec)
        workflow.do_engine_steps()
        while not workflow.is_completed():
            if saves:
                workflow = serializer.deserialize_json(serializer.serialize_json(workflow))
            task = next(iter(workflow.get_tasks(state=TaskState.READY, manual=True)))
            task.run()
            workflow.do_engine_steps()
        made += 1
    return made / (time.monotonic() - begin)
