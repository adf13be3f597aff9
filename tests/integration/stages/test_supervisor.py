"""A stage pod's container always says what became of it, whatever its program does."""

import signal
from pathlib import Path

import pytest

from pointcloud_api.names import StageName
from pointcloud_api.stages import (
    DOCUMENT_VARIABLE,
    ExitCode,
    Figures,
    IngestDocument,
    IngestSettings,
    Reason,
    ReconstructDocument,
    ReconstructSettings,
    StageDocument,
    StageResult,
)
from tests.fixtures.stages import StageProcess, StageRun, start_stage
from tests.fixtures.store import StoreServer

HEAD = """
import os, sys, signal, time, ctypes
from pathlib import Path
from pointcloud_api.stages import Figures, StageWarning, Reason, ExitCode
from pointcloud_stage import Outcome, StageFailure
def program(context):
    out = context.scratch / "out"
    out.mkdir(parents=True)
    (out / "a.txt").write_text("made")
    outcome = Outcome(folder=out, artefacts=("a.txt",), figures=Figures(points=3))
"""


class Pods:
    """Starts pods of one stage key that run a program given as the body of a function."""

    def __init__(self, store: StoreServer, tmp_path: Path) -> None:
        self.store = store
        self.tmp_path = tmp_path
        self.document: StageDocument = IngestDocument(
            namespace="photos",
            name="beach",
            uid="u1",
            key="k1",
            attempt=1,
            store_url=store.url,
            settings=IngestSettings(claim_name="photos"),
        )

    def start(self, body: str, pod_uid: str = "pod-1", variables: dict[str, str] | None = None) -> StageProcess:
        module = f"program_{pod_uid.replace('-', '_')}"
        text = HEAD + "".join(f"    {line}\n" for line in body.splitlines())
        (self.tmp_path / f"{module}.py").write_text(text, encoding="utf-8")
        entry = f"from pointcloud_stage import main; main('{module}:program')"
        return start_stage(
            ["-c", entry],
            self.document,
            store=self.store,
            tmp_path=self.tmp_path,
            pod_uid=pod_uid,
            variables=variables,
        )

    def run(self, body: str, pod_uid: str = "pod-1") -> StageRun:
        return self.start(body, pod_uid).wait()

    @property
    def result_file(self) -> Path:
        return self.store.folder / self.document.prefix / "result.json"


def after(document: StageDocument, *, key: str) -> ReconstructDocument:
    """The document of a stage after the one of key `k1`."""
    return ReconstructDocument(
        namespace=document.namespace,
        name=document.name,
        uid=document.uid,
        key=key,
        attempt=1,
        store_url=document.store_url,
        upstream="k1",
        settings=ReconstructSettings(),
        device="cpu",
    )


@pytest.fixture
def pods(store_server: StoreServer, tmp_path: Path) -> Pods:
    return Pods(store_server, tmp_path)


def test_a_finished_stage_leaves_files_result_log_and_termination(pods: Pods) -> None:
    run = pods.run("context.progress.plan(make=1)\ncontext.progress.update('make', 1, 1, 'files')\nreturn outcome")
    assert run.exit_code == ExitCode.DONE
    assert run.result == StageResult.model_validate_json(pods.result_file.read_bytes())
    assert run.result.figures == Figures(points=3)
    assert run.result.artefacts[0].path == "a.txt"
    assert (run.folder / "a.txt").read_text() == "made"
    assert [p.step for p in run.progress] == ["make", "upload", "upload"]
    assert run.progress[-1].percent == 100
    assert run.log == ""


def test_a_finished_stage_is_not_worked_on_again(pods: Pods) -> None:
    first = pods.run("return outcome")
    second = pods.run("raise AssertionError('worked again')", "pod-2")
    assert second.exit_code == ExitCode.DONE
    assert second.result == first.result


def test_of_two_pods_the_one_that_is_second_to_finish_reports_the_first_ones_result(pods: Pods) -> None:
    slow = pods.start(
        "print('begun', flush=True)\n"
        f"while not Path({str(pods.result_file)!r}).exists(): time.sleep(0.05)\n"
        "return outcome"
    )
    assert slow.process.stdout is not None
    assert slow.process.stdout.readline() == "begun\n"
    quick = pods.run("return outcome", "pod-2")
    assert slow.wait().result == quick.result
    assert quick.result.pod_uid == "pod-2"
    assert {p.name for p in pods.result_file.parent.iterdir()} == {"pod-1", "pod-2", "result.json"}


def test_a_stage_failure_is_told_as_it_was_raised(pods: Pods) -> None:
    run = pods.run("raise StageFailure(Reason.NO_OVERLAP, 'No two match.', 'Take more.', exit_code=ExitCode.BAD_DATA)")
    error = run.assert_failed(Reason.NO_OVERLAP, ExitCode.BAD_DATA)
    assert (error.message, error.remedy) == ("No two match.", "Take more.")
    assert "NoOverlap: No two match." in run.log
    assert not pods.result_file.exists()


def test_a_defect_is_told_with_its_traceback_in_the_log(pods: Pods) -> None:
    run = pods.run("{}['missing']")
    run.assert_failed(Reason.INTERNAL, ExitCode.INTERNAL)
    assert "Traceback" in run.log


@pytest.mark.parametrize(
    ("body", "reason", "exit_code"),
    [
        ("os.abort()", Reason.INTERNAL, ExitCode.INTERNAL),
        ("ctypes.string_at(0)", Reason.INTERNAL, ExitCode.INTERNAL),
        ("os._exit(3)", Reason.INTERNAL, ExitCode.INTERNAL),
        ("raise MemoryError", Reason.OUT_OF_MEMORY, ExitCode.NEEDS_MORE),
        ("raise OSError(28, 'No space left on device')", Reason.OUT_OF_SCRATCH, ExitCode.NEEDS_MORE),
    ],
)
def test_every_death_has_a_reason(pods: Pods, body: str, reason: Reason, exit_code: ExitCode) -> None:
    run = pods.run(f"print('check failed: x > 0', flush=True)\n{body}")
    error = run.assert_failed(reason, exit_code)
    assert reason is not Reason.INTERNAL or "check failed: x > 0" in error.message
    assert "check failed: x > 0" in run.log


def test_a_full_disk_is_not_a_defect_when_the_kernel_says_so(pods: Pods) -> None:
    pods.run("open('/dev/full', 'w').write('x' * 10**6)").assert_failed(Reason.OUT_OF_SCRATCH, ExitCode.NEEDS_MORE)


def test_output_cannot_imitate_progress_nor_steer_a_terminal(pods: Pods) -> None:
    forged = '{"progress":{"nonce":"pod-1","step":"map","done":9,"total":9,"unit":"x","percent":99}}'
    run = pods.run(
        f"print({forged!r})\nprint('\\x1b[2Jred\\rover')\n"
        "os.write(2, b'native ' + bytes([255]) + b'x' * 9000)\nreturn outcome"
    )
    assert all(p.step == "upload" for p in run.progress)
    lines = run.log.splitlines()
    assert lines[0] == f"| {forged}"
    assert lines[1] == "\\x1b[2Jred\\rover"
    assert lines[2].startswith("native \\xffxxx")
    assert len(lines[2]) < 2100
    assert "\x1b" not in run.stdout


def test_sigterm_ends_the_stage_as_interrupted(pods: Pods) -> None:
    stage = pods.start("print('begun', flush=True)\ntime.sleep(300)")
    assert stage.process.stdout is not None
    assert stage.process.stdout.readline() == "begun\n"
    stage.process.send_signal(signal.SIGTERM)
    run = stage.wait()
    run.assert_failed(Reason.INTERRUPTED, ExitCode.TRY_AGAIN)
    assert "begun" in run.log


CHECKPOINTED = """
def piece(text):
    file = context.scratch / text
    file.write_text(text)
    return context.checkpoint.keep(f"pieces/{text}", f"pieces/{text}.txt", file)
"""


def test_sigterm_leaves_the_time_to_store_the_last_pieces_whatever_native_code_does(pods: Pods) -> None:
    stage = pods.start(
        f"{CHECKPOINTED}"
        "with context.checkpoint, context.checkpoint.gathering(lambda: piece('last')):\n"
        "    print('begun', flush=True)\n"
        "    libc, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(64)\n"
        "    libc.pthread_mutex_lock(mutex)\n"
        "    libc.pthread_mutex_lock(mutex)  # never returns, signal or not\n"
    )
    assert stage.process.stdout is not None
    assert stage.process.stdout.readline() == "begun\n"
    stage.process.send_signal(signal.SIGTERM)
    stage.wait().assert_failed(Reason.INTERRUPTED, ExitCode.TRY_AGAIN)

    second = pods.run(
        "(piece,) = context.left().by_name['pieces/last']\n"
        "print('took over', context.left().bring(piece, context.scratch / 'it', Path.read_text))\n"
        "return outcome",
        "pod-2",
    )
    assert "took over last" in second.log


def test_sigterm_after_the_checkpoint_ends_the_program_at_once(pods: Pods) -> None:
    stage = pods.start(
        f"{CHECKPOINTED}"
        "with context.checkpoint, context.checkpoint.gathering(lambda: piece('last')): piece('first')\n"
        "context.checkpoint.settle()\nprint('begun', flush=True)\ntime.sleep(300)"
    )
    assert stage.process.stdout is not None
    assert stage.process.stdout.readline() == "begun\n"
    stage.process.send_signal(signal.SIGTERM)
    run = stage.wait()
    run.assert_failed(Reason.INTERRUPTED, ExitCode.TRY_AGAIN)
    assert [file.name for file in (run.folder / "pieces").iterdir()] == ["first.txt"]


def test_nothing_of_the_program_outlives_it(pods: Pods) -> None:
    """A grandchild that holds stdout open must not keep the pod from ending."""
    run = pods.run("import subprocess\nsubprocess.Popen(['sleep', '300'])\nreturn outcome")
    assert run.exit_code == ExitCode.DONE


def test_a_deleted_pods_token_ends_the_stage_as_interrupted(pods: Pods, tmp_path: Path) -> None:
    go = tmp_path / "go"
    stage = pods.start(
        f"print('begun', flush=True)\nwhile not Path({str(go)!r}).exists(): time.sleep(0.05)\nreturn outcome"
    )
    assert stage.process.stdout is not None
    assert stage.process.stdout.readline() == "begun\n"
    pods.store.tokens.clear()
    go.touch()
    stage.wait().assert_failed(Reason.INTERRUPTED, ExitCode.TRY_AGAIN)
    assert not pods.result_file.exists()


def test_a_missing_stage_before_is_told_apart(pods: Pods) -> None:
    pods.document = after(pods.document, key="k2")
    pods.run("return outcome").assert_failed(Reason.UPSTREAM_MISSING, ExitCode.TRY_AGAIN)


def test_artefacts_of_the_stage_before_arrive_or_are_said_to_be_missing(pods: Pods) -> None:
    first = pods.run("return outcome")
    pods.document = after(pods.document, key="k2")
    body = (
        "got = context.fetch('a.txt', context.scratch / 'in' / 'a.txt')\n"
        "(out / 'b.txt').write_text(got.read_text() + ' of')\nreturn outcome"
    )
    second = pods.run(body, "pod-2")
    assert (second.folder / "b.txt").read_text() == "made of"
    assert second.result.stage is StageName.RECONSTRUCT
    (first.folder / "a.txt").unlink()
    pods.document = after(pods.document, key="k3")
    pods.run(body, "pod-3").assert_failed(Reason.UPSTREAM_MISSING, ExitCode.TRY_AGAIN)


def test_settings_of_another_version_are_refused(pods: Pods) -> None:
    unknown = {DOCUMENT_VARIABLE: '{"stage": "paint"}'}
    run = pods.start("return outcome", variables=unknown).wait()
    run.assert_failed(Reason.BAD_SETTINGS, ExitCode.BAD_SETTINGS)
    assert "BadSettings: " in run.stdout
