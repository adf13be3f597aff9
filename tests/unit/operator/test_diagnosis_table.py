"""The table of causes is whole, each of its rows can be acted on, and what is made from it can be read."""

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import pointcloud_operator
from pointcloud_api.crd import custom_resource_definition
from pointcloud_api.names import StageName
from pointcloud_api.resource import Disruption, DisruptionReason
from pointcloud_api.stages import Reason
from pointcloud_operator.model import diagnosis
from pointcloud_operator.model.diagnosis.cause import Cause, Remedied
from pointcloud_operator.model.diagnosis.table import REASONS, SECTIONS
from pointcloud_operator.model.observed import EventView, Fact, PodView
from tests.unit.operator.builders import NOW, bare_job, text
from tools.causes import causes_md

ROOT = Path(__file__).parents[3]
MAX_EVENT = 1024
"""Bytes that Kubernetes takes of an Event's message."""
CAUSES = [cause for section in SECTIONS for cause in section.causes]
STAGE = StageName.RECONSTRUCT

# No reason escapes the table.

SAID_BY: dict[str, int | str] = {"Note": 1, "Verdict": 1, "Said": 0, "keep": "reason", "_wait": "reason", "News": 0}
"""Calls that show a reason to a user, and where in them it is: a position, or a keyword."""
PASSED_ON = {"why", "blocked", "kept", "refused", "warning", "disruption", "verdict", "self", "reason"}
"""Variables whose reasons come from elsewhere: from a Remedied, which the table alone makes, from a stage's warning or
from an enumeration, all of which are asked below."""


def modules(package: ModuleType) -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not found.name.endswith("__main__"):
            yield importlib.import_module(found.name)


def argument(call: ast.Call, where: int | str) -> ast.expr | None:
    if isinstance(where, int):
        return call.args[where] if len(call.args) > where else None
    return next((keyword.value for keyword in call.keywords if keyword.arg == where), None)


def called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def shown_reasons(module: ModuleType) -> Iterator[tuple[str, str]]:
    """Each reason that a module's code shows to users, with the line that does."""
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.Call) and (where := SAID_BY.get(called(node))) is not None:
            expression = argument(node, where)
            root = expression
            while isinstance(root, ast.Attribute):
                root = root.value
            if expression is None or (isinstance(root, ast.Name) and root.id in PASSED_ON):
                continue
            value = eval(compile(ast.Expression(expression), "", "eval"), vars(module))  # noqa: S307 - our own code
            yield str(value), f"{module.__name__}:{node.lineno}"


def test_every_reason_in_the_operators_code_has_a_row() -> None:
    shown = [found for module in modules(pointcloud_operator) for found in shown_reasons(module)]
    assert len({reason for reason, _ in shown}) > 10, "the walk finds none"
    assert not [(reason, where) for reason, where in shown if reason not in REASONS]


def test_every_reason_of_an_enumeration_has_a_row() -> None:
    assert {*Reason, *DisruptionReason} <= REASONS


def test_every_warning_of_a_stage_has_a_row() -> None:
    words = [
        word
        for path in (ROOT / "images").glob("*/pointcloud_*/**/*.py")
        for word in re.findall(r'StageWarning\(\s*reason="(\w+)"', path.read_text())
    ]
    assert len(words) > 3, "the search finds none"
    assert set(words) <= REASONS


def test_nobody_else_makes_a_diagnosis() -> None:
    """So that no message is made elsewhere than from a row."""
    makers = {
        path.parent.name
        for path in (ROOT / "operator/pointcloud_operator").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and called(node) == "Remedied"
    }
    assert makers == {"diagnosis"}


def test_every_cause_that_is_defined_is_in_the_table() -> None:
    defined = {
        (module.__name__, name)
        for module in modules(diagnosis)
        for name, value in vars(module).items()
        if isinstance(value, Cause) and value not in CAUSES
    }
    assert not defined


# What the rows say.


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: f"{cause.reason}: {cause.seen[:40]}")
def test_a_row_reads_like_the_others(cause: Cause) -> None:
    assert re.fullmatch(r"[A-Z][A-Za-z]*", cause.reason)
    assert cause.message[0].isupper() or cause.message.startswith(("spec.", "{"))
    assert not cause.message.endswith(".")
    assert not cause.remedy.endswith(".")
    assert not cause.seen.endswith(".")
    assert not re.search(r"exit code|Traceback|Exception", f"{cause.message} {cause.remedy}")


VALUES = yaml.safe_load((ROOT / "charts/pointcloud-operator/values.yaml").read_text())
SPEC = custom_resource_definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]


def is_field(path: str) -> bool:
    """Whether the resource has a field of that path below spec."""
    schema = SPEC
    for part in path.split(".")[1:]:
        schema = schema.get("items", schema)
        if "additionalProperties" in schema:
            return True
        if part not in schema.get("properties", {}):
            return False
        schema = schema["properties"][part]
    return True


def is_value(path: str) -> bool:
    """Whether the chart has a value of that path."""
    there: Any = VALUES
    for part in path.split("."):
        if not isinstance(there, dict) or part not in there:
            return False
        there = there[part]
    return True


def settings_in(text: str) -> list[str]:
    """Whole paths of fields and values that a text names."""
    roots = "|".join(["spec", *VALUES])
    paths = re.findall(rf"(?<![\w./:-])(?:{roots})(?:\.[A-Za-z{{}}][\w{{}}-]*)+", text)
    return [path.replace("{stage}", "reconstruct") for path in paths]


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: f"{cause.reason}: {cause.seen[:40]}")
def test_a_remedy_names_what_the_user_can_act_on(cause: Cause) -> None:
    named = settings_in(cause.remedy)
    wrong = [path for path in settings_in(f"{cause.message} {cause.remedy}") if not (is_field(path) or is_value(path))]
    assert not wrong, "no such field or value"
    commands = re.findall(r"`((?:kubectl|helm) [^`]+)`", cause.remedy)
    rest = cause.remedy.startswith(("Nothing to do", "Nothing at first", "Create the PointcloudJob in another"))
    assert named or commands or rest


def test_the_documentation_is_what_the_table_says() -> None:
    assert (ROOT / "docs/diagnosis.md").read_text() == causes_md(), "run `make crds` and commit docs/diagnosis.md"


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_the_documentation_shows_every_reason(reason: str) -> None:
    assert f"| `{reason}` |" in causes_md()


def test_a_template_becomes_settings_and_figures_that_markdown_shows() -> None:
    document = causes_md()
    assert "`spec.stages.<stage>.resources.limits.memory`" in document
    assert "`kubectl describe pvc <claim>`" in document
    assert not re.search(r"\{\w+}", document)
    assert "<" not in re.sub(r"`[^`]*`|<!--.*?-->", "", document), "outside code Markdown takes it for HTML"


# What is made of them.

WORDS = st.builds(lambda text, times: text * times, st.text(max_size=40), st.integers(0, 200))
SENTENCES = st.sampled_from(
    [
        'Error creating: pods "a" is forbidden: exceeded quota: {}, requested: {}',
        'admission webhook "{}" denied the request: {}',
        'failed calling webhook "{}": {}',
        "0/4 nodes are available: 1 Insufficient {}, 2 node(s) had untolerated taint {{{}}}. {}",
        "0/1 nodes are available: {}",
        'Back-off pulling image "x": ErrImagePull: {} not found {}',
        "{}",
    ]
)
REASONS_OF_NODES = st.sampled_from(
    [
        "Evicted",
        "ErrImagePull",
        "CreateContainerConfigError",
        "FailedMount",
        "OutOfcpu",
        "NodeLost",
        "Unschedulable",
        "",
    ]
) | st.text(max_size=100)


def long_named(phase: str, **status: Any) -> PodView:
    """A pod whose names are as long as labels may be."""
    container = {"name": "stage", "image": f"{'r' * 63}.example.com/pointcloud/colmap:{'v' * 40}"}
    claim = {"name": "source", "persistentVolumeClaim": {"claimName": "c" * 63}}
    return PodView.of(
        {
            "metadata": {"name": "p" * 63, "uid": "pod-uid", "creationTimestamp": text(NOW)},
            "spec": {"containers": [container], "volumes": [claim], "nodeName": "n" * 63},
            "status": {"phase": phase, **status},
        }
    )


def container_state(**state: Any) -> dict[str, Any]:
    return {"containerStatuses": [{"name": "stage", "state": state}]}


def assert_readable(why: Remedied | None) -> None:
    """Known, on one line, and short enough that an Event holds all of it."""
    if why is None:
        return
    assert why.reason in REASONS
    assert why.text.isprintable()
    assert len(why.text.encode()) <= MAX_EVENT
    assert why.remedy in why.text


@settings(deadline=None)
@given(SENTENCES, WORDS, REASONS_OF_NODES, st.integers(1, 255))
def test_whatever_kubernetes_says_is_told_in_words_that_can_be_read(
    sentence: str, words: str, reason: str, code: int
) -> None:
    message = sentence.format(*[words] * 3)
    fact = {"reason": reason, "message": message}
    scheduled = {"type": "PodScheduled", "status": "False", **fact}
    ended = {"terminated": {"exitCode": code, "finishedAt": text(NOW), **fact}}
    events = [EventView(reason or "FailedCreate", message, NOW)]
    assert_readable(diagnosis.refused(STAGE, Fact(reason, message)))
    assert_readable(diagnosis.waiting(STAGE, [], events))
    assert_readable(diagnosis.waiting(STAGE, [long_named("Pending")], events))
    assert_readable(diagnosis.waiting(STAGE, [long_named("Pending", conditions=[scheduled])], ()))
    assert_readable(diagnosis.waiting(STAGE, [long_named("Pending", **container_state(waiting=fact))], ()))
    assert_readable(diagnosis.failure(STAGE, bare_job(), [long_named("Failed", **fact)]))
    assert_readable(diagnosis.failure(STAGE, bare_job(), [long_named("Failed", **container_state(**ended))]))
    assert_readable(diagnosis.store_unavailable(STAGE, message))


def test_the_operators_own_words_can_be_read() -> None:
    disruptions = [
        Disruption(pod=f"pod-{number}", pod_uid=str(number), reason=list(DisruptionReason)[number % 3], time=NOW)
        for number in range(11)
    ]
    told = [
        diagnosis.deadline_exceeded(STAGE, 90061, 86400),
        diagnosis.too_many_disruptions(STAGE, disruptions),
        diagnosis.out_of_memory(STAGE, ["16Gi", "32Gi", "64Gi"], "64Gi"),
        diagnosis.out_of_memory(STAGE, [], "64Gi"),
        diagnosis.out_of_scratch(STAGE, ["50Gi"], "200Gi"),
        diagnosis.priority_class_not_allowed(STAGE, "high", []),
        diagnosis.priority_class_not_allowed(STAGE, "high", ["low", "batch"]),
        diagnosis.queued(STAGE, "team-a"),
        diagnosis.result_missing(STAGE, bare_job()),
        diagnosis.job_terminating(STAGE),
    ]
    for why in told:
        assert_readable(why)
    assert "25 h 1 min and may be for 24 h" in told[0].message
    assert "11 pods" in told[1].message
    assert "4 Preempted, 4 Evicted and 3 NodeLost" in told[1].message
    assert "with 16Gi, 32Gi and 64Gi" in told[2].message
    assert "with all that its node has" in told[3].message
    assert "the install allows none" in told[5].message
