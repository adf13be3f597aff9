"""The working process: runs one stage program, stores its outcome, and tells the supervisor what became of it.

It may die at any line, by a native library's abort or by the kernel: the supervisor then speaks for it. SIGTERM ends
it at once, but within the context of a checkpoint only after what is kept there is stored.
"""

import os
import sys
import traceback
from collections.abc import Callable
from pkgutil import resolve_name
from typing import Any

from pointcloud_api.stages import IngestDocument, StageResult
from pointcloud_stage.channel import Channel, Report
from pointcloud_stage.checkpoint import Checkpoint
from pointcloud_stage.context import Outcome, StageContext, upstream_result
from pointcloud_stage.environment import Environment
from pointcloud_stage.failure import StageFailure, failure_of
from pointcloud_stage.progress import Reporter
from pointcloud_stage.publish import publish
from pointcloud_stage.store import Store

Program = Callable[[StageContext[Any]], Outcome]


def run(entry: str, environment: Environment, channel: Channel) -> StageResult:
    """Runs the program `package.module:function` and stores what it made. Raises what the program raises."""
    document = environment.document()
    store = Store(document.store_url, environment.token_file)
    progress = Reporter(lambda news: channel.send(Report(progress=news)), nonce=environment.pod_uid)
    context: StageContext[Any] = StageContext(
        document=document,
        scratch=environment.work,
        source=environment.source,
        upstream=None if isinstance(document, IngestDocument) else upstream_result(document, store),
        progress=progress,
        store=store,
        checkpoint=Checkpoint(
            Store(document.store_url, environment.token_file, patience=0),
            prefix=document.prefix,
            pod_uid=environment.pod_uid,
        ),
        pod_uid=environment.pod_uid,
    )
    program: Program = resolve_name(entry)
    outcome = program(context)
    return publish(outcome, document=document, pod_uid=environment.pod_uid, store=store, progress=progress)


def report_of(entry: str, environment: Environment, channel: Channel) -> Report:
    """The last report of this process, whatever happens to the program."""
    try:
        return Report(result=run(entry, environment, channel))
    except Exception as error:  # noqa: BLE001 - the top of the process
        if not isinstance(error, StageFailure):
            traceback.print_exc()
        failure = failure_of(error)
        return Report(error=failure.error, exit_code=failure.exit_code)


if __name__ == "__main__":
    to_supervisor = Channel(int(sys.argv[2]))
    to_supervisor.send(report_of(sys.argv[1], Environment.read(os.environ), to_supervisor))
    sys.stdout.flush()
    # Everything is told; a native library that crashes or hangs while it is taken down changes nothing any more.
    os._exit(0)
