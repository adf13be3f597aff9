"""Programs are started once, recognised later, and never taken for another process."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.patience import PATIENCE_SECONDS
from tools.cluster.errors import ClusterError
from tools.cluster.processes import Daemon, process_identity, wait_until


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Daemon]:
    daemon = Daemon(name="sleeper", argv=["sleep", "600"], directory=tmp_path)
    yield daemon
    daemon.kill()


def test_a_running_program_is_found_by_a_later_command(sleeper: Daemon) -> None:
    assert sleeper.pid() is None
    sleeper.restart(with_parent=True)
    assert dataclasses.replace(sleeper).pid() == sleeper.pid() is not None


def test_killing_waits_until_the_process_is_gone(sleeper: Daemon) -> None:
    sleeper.restart(with_parent=True)
    pid = sleeper.pid()
    assert pid is not None
    sleeper.kill()
    assert process_identity(pid) is None
    assert sleeper.pid() is None


def test_a_stranger_that_was_given_the_id_is_neither_ours_nor_killed(sleeper: Daemon) -> None:
    sleeper.restart(with_parent=True)
    with subprocess.Popen(["sleep", "600"]) as stranger:
        record = json.loads(sleeper.record.read_text())
        own = record["pid"]
        sleeper.record.write_text(json.dumps({**record, "pid": stranger.pid}))
        assert sleeper.pid() is None
        sleeper.kill()
        assert stranger.poll() is None
        stranger.kill()
    os.kill(own, signal.SIGKILL)


def test_a_torn_record_counts_as_not_running(sleeper: Daemon) -> None:
    sleeper.record.write_text('{"pid": 1')
    assert sleeper.pid() is None


def test_a_changed_command_line_or_configuration_asks_for_a_restart(sleeper: Daemon, tmp_path: Path) -> None:
    sleeper.restart(with_parent=True)
    assert sleeper.is_current()
    assert not dataclasses.replace(sleeper, argv=["sleep", "601"]).is_current()
    assert not dataclasses.replace(sleeper, files={tmp_path / "configuration": "new"}).is_current()


def test_configuration_is_written_before_the_program_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "etc" / "configuration"
    reader = Daemon(name="reader", argv=["cat", str(file)], directory=tmp_path, files={file: "what it says"})
    reader.restart(with_parent=True)
    wait_until(lambda: reader.pid() is None, what="cat to end", seconds=PATIENCE_SECONDS)
    assert reader.log.read_text() == "what it says"


def test_a_dead_program_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    failing = Daemon(name="failing", argv=["sh", "-c", "echo no such flag >&2; exit 1"], directory=tmp_path)
    failing.restart(with_parent=True)
    with pytest.raises(ClusterError, match=r"failing has died.*failing\.log:\n  no such flag"):
        wait_until(lambda: False, what="nothing", seconds=10, watching=[failing])


def test_giving_up_says_on_what_and_shows_the_logs(sleeper: Daemon) -> None:
    sleeper.restart(with_parent=True)
    with pytest.raises(ClusterError, match=r"gave up waiting for the moon after 0 s\nthe last lines of .*sleeper\.log"):
        wait_until(lambda: False, what="the moon", seconds=0.2, watching=[sleeper])


@pytest.mark.parametrize("with_parent", [True, False])
def test_a_program_outlives_the_command_that_started_it_only_when_told_to(tmp_path: Path, *, with_parent: bool) -> None:
    daemon = Daemon(name="sleeper", argv=["sleep", "600"], directory=tmp_path)
    script = (
        "import os, signal; from pathlib import Path; from tools.cluster.processes import Daemon\n"
        f"daemon = Daemon(name='sleeper', argv=['sleep', '600'], directory=Path({str(tmp_path)!r}))\n"
        f"daemon.restart(with_parent={with_parent}); os.kill(os.getpid(), signal.SIGKILL)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", script], env=environment, check=False)
    if with_parent:
        wait_until(lambda: daemon.pid() is None, what="the program to end with its parent", seconds=PATIENCE_SECONDS)
    else:
        assert daemon.pid() is not None
        daemon.kill()
