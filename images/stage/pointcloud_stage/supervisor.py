"""The first process of a stage pod: it starts the work in a child, outlives it, and always says what became of it.

Whatever kills the child, be it the kernel for memory or an abort in native code, the pod ends with a termination
message, an exit code of the contract and its log in the store.
"""

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from types import FrameType
from typing import BinaryIO, Final, NoReturn, cast

from pointcloud_api.names import artefact_path, result_path
from pointcloud_api.stages import LOG_FILE, ExitCode, Reason, StageDocument, StageResult, Termination
from pointcloud_stage.channel import Report
from pointcloud_stage.console import Console
from pointcloud_stage.environment import Environment
from pointcloud_stage.failure import StageFailure, failure_of, out_of_memory
from pointcloud_stage.limits import oom_kills
from pointcloud_stage.store import Store, sha256_of

GRACE_SECONDS: Final = 20.0
"""For the child's checkpoint after SIGTERM, out of the 30 s that a pod has by default and a spot node gives."""
LOG_PATIENCE_SECONDS: Final = 5.0
"""A log is worth a short wait: the termination message must be written within what is left of the grace."""

DRAIN_SECONDS: Final = 5.0
"""For reading what a dead child left in its pipes; a daemon that it started may hold them open for ever."""


class _Terminated(BaseException):
    """SIGTERM arrived: no Exception, so that nobody swallows it on its way."""


def main(entry: str) -> NoReturn:
    """Runs the stage program `package.module:function` under supervision and exits with a code of the contract."""
    sys.exit(supervise(entry, Environment.read(os.environ)))


def supervise(entry: str, environment: Environment) -> ExitCode:
    """Runs the program to its end and writes the termination message. Returns the exit code."""
    environment.make_folders()
    console = Console(sys.stdout.buffer, environment.log)
    signal.signal(signal.SIGTERM, _on_sigterm)
    try:
        termination, code = Termination(result=_result(entry, environment, console)), ExitCode.DONE
    except (_Terminated, Exception) as error:  # noqa: BLE001 - the top of the process
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        failure = _failure(error)
        console.line(f"{failure.error.reason}: {failure.error.message} {failure.error.remedy}".encode())
        _keep_log(environment, console)
        termination, code = Termination(error=failure.error), failure.exit_code
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    environment.termination_log.write_text(termination.encode(), encoding="utf-8")
    return code


def _on_sigterm(_number: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise _Terminated


def _result(entry: str, environment: Environment, console: Console) -> StageResult:
    """The recorded result of this stage, by this pod's work unless another pod was there first."""
    document = environment.document()
    store = Store(document.store_url, environment.token_file)
    recorded = store.result(document.prefix)
    if recorded is not None:
        console.line(f"pod {recorded.pod_uid} has finished this stage already".encode())
        return recorded
    result = _work(entry, environment, console)
    _keep_log(environment, console)
    return _claim(result, document, store)


def _failure(error: BaseException) -> StageFailure:
    if isinstance(error, _Terminated):
        return StageFailure(
            Reason.INTERRUPTED,
            "The pod was told to end before the stage was finished.",
            "Nothing to do: the stage runs again in another pod.",
            exit_code=ExitCode.TRY_AGAIN,
        )
    return failure_of(error)


def _work(entry: str, environment: Environment, console: Console) -> StageResult:
    """Runs the child to its end. Raises StageFailure for what it reports, or for how it died."""
    kills_before = oom_kills()
    reading, writing = os.pipe()
    child = subprocess.Popen(
        [sys.executable, "-u", "-m", "pointcloud_stage.child", entry, str(writing)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=[writing],
        process_group=0,
        env={**os.environ, "TMPDIR": str(environment.temporary)},
    )
    os.close(writing)
    listener = _Listener(os.fdopen(reading, "rb"), console)
    threads = [
        threading.Thread(target=console.copy, args=[cast("BinaryIO", child.stdout)], daemon=True),
        threading.Thread(target=listener.listen, daemon=True),
    ]
    for thread in threads:
        thread.start()
    try:
        child.wait()
    except _Terminated:
        child.terminate()
        with suppress(subprocess.TimeoutExpired):
            child.wait(GRACE_SECONDS)
        raise
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        for thread in threads:
            thread.join(DRAIN_SECONDS)
    if listener.last is None:
        raise death(child.returncode, console.last_line, oom_kills_before=kills_before, oom_kills_after=oom_kills())
    return _told(listener.last)


class _Listener:
    """Reads the child's reports: prints progress, keeps the last word."""

    def __init__(self, stream: BinaryIO, console: Console) -> None:
        self._stream = stream
        self._console = console
        self.last: Report | None = None

    def listen(self) -> None:
        for line in self._stream:
            if not line.endswith(b"\n"):
                return  # cut off by the child's death
            report = Report.model_validate_json(line)
            if report.progress is not None:
                self._console.progress(report.progress)
            else:
                self.last = report


def _told(report: Report) -> StageResult:
    if report.error is not None:
        error = report.error
        raise StageFailure(Reason(error.reason), error.message, error.remedy, exit_code=report.exit_code)
    if report.result is None:
        raise ValueError("the last report holds neither a result nor an error")
    return report.result


def death(status: int, last_line: str, *, oom_kills_before: int | None, oom_kills_after: int | None) -> StageFailure:
    """What it means that the child ended without a word.

    `status` is as `subprocess` gives it: negative for a signal. Where the kernel's count of kills for memory cannot
    be read, SIGKILL is taken for one of them.
    """
    if status == -signal.SIGKILL and (oom_kills_after is None or oom_kills_after != oom_kills_before):
        return out_of_memory()
    how = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit code {status}"
    return StageFailure(
        Reason.INTERNAL,
        f"The stage's program ended by {how}; the last line of its log is: {last_line or '(none)'}",
        f"Read the pod's log, kept as {LOG_FILE} in the store; if more memory does not help, report it with that log.",
        exit_code=ExitCode.INTERNAL,
    )


def _keep_log(environment: Environment, console: Console) -> None:
    """Stores the log so far. Losing it is a pity, not a failure."""
    try:
        document = environment.document()
        store = Store(document.store_url, environment.token_file, patience=LOG_PATIENCE_SECONDS)
        path = artefact_path(document.prefix, environment.pod_uid, LOG_FILE)
        store.put(path, environment.log, sha256=sha256_of(environment.log))
    except (StageFailure, OSError) as error:
        console.line(f"the log could not be stored: {error}".encode())


def _claim(result: StageResult, document: StageDocument, store: Store) -> StageResult:
    """Records the result for good, unless another pod's is recorded already: then that one is the stage's."""
    shortened = Termination.model_validate_json(Termination(result=result).encode()).result
    if shortened is None:
        raise ValueError("a termination lost its result")
    body = shortened.model_dump_json(exclude_none=True).encode()
    if store.create(result_path(document.prefix), body):
        return shortened
    recorded = store.result(document.prefix)
    if recorded is None:
        raise ValueError("the store refuses a second result and has no first one")
    return recorded
