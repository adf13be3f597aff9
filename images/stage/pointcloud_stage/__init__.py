"""What the stage programs share: a supervisor that always reports, progress, and the way to and from the store.

A stage program is a function `(StageContext) -> Outcome`; its `__main__.py` is one line:
`main("package.module:function")`.
"""

from pointcloud_stage.context import Outcome, StageContext, StageFailure
from pointcloud_stage.progress import Reporter
from pointcloud_stage.supervisor import main

__all__ = ["Outcome", "Reporter", "StageContext", "StageFailure", "main"]
