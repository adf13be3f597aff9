"""What an Event is called: told again after a crash, the same news has the same name, and is refused as a duplicate."""

from datetime import UTC, datetime

from pointcloud_api.resource import ObjectMeta, PointcloudJob, PointcloudJobSpec, Source
from pointcloud_operator.model.decision import Note
from pointcloud_operator.runtime.events import event_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STARTED = Note("Normal", "StageStarted", "The ingest stage runs in pod a")


def name(note: Note, *, version: str = "7", now: datetime = NOW) -> str:
    metadata = ObjectMeta(name="ruin", namespace="team", uid="u-1", resource_version=version)
    spec = PointcloudJobSpec(source=Source(urls=("https://example.com/photos.zip",)))
    named: str = event_of(PointcloudJob(metadata=metadata, spec=spec), note, now=now)["metadata"]["name"]
    return named


def test_the_same_news_of_the_same_version_has_one_name_at_any_time() -> None:
    assert name(STARTED) == name(STARTED, now=datetime(2026, 1, 2, tzinfo=UTC))


def test_the_same_news_of_a_later_version_is_told_again() -> None:
    assert name(STARTED) != name(STARTED, version="8")


def test_other_news_of_the_same_version_has_another_name() -> None:
    assert name(STARTED) != name(Note("Normal", "StageStarted", "The ingest stage runs in pod b"))
