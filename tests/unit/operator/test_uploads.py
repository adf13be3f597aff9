"""A job of uploaded photos waits for a file, then for more files, and then runs with all of them."""

from datetime import timedelta

from pointcloud_api.names import StageName
from pointcloud_api.resource import Phase
from pointcloud_api.stages import IngestDocument
from tests.unit.operator.builders import document
from tests.unit.operator.world import SETTLING, UPLOAD, World


def revision(world: World) -> int | None:
    """What the one live Job, of the ingest stage, is to take."""
    (child,) = world.live()
    told = document(child.job)
    assert isinstance(told, IngestDocument)
    return told.settings.upload_revision


def test_a_job_without_files_says_where_to_send_them_and_has_no_job() -> None:
    world = World(UPLOAD)
    decision = world.step()
    assert (decision.create, decision.wake_at, decision.notes) == (None, None, ())
    assert world.status.phase is Phase.PENDING
    assert world.status.progress
    assert "https://pointclouds.example.com/process/photos.ruin" in world.status.progress.message
    awaited = next(c for c in world.status.conditions if c.type == "AwaitingUpload")
    assert (awaited.status, awaited.message) == ("True", world.status.progress.message)
    assert world.step().status == decision.status


def test_waiting_for_the_user_is_neither_reconciling_nor_stalled() -> None:
    """So that kstatus, and with it what applies the resource, takes it for done."""
    world = World(UPLOAD)
    world.step()
    assert {world.condition(kind) for kind in ("Reconciling", "Stalled", "Failed", "Complete")} == {"False"}


def test_a_file_that_has_arrived_settles_before_anything_runs() -> None:
    world = World(UPLOAD)
    world.step()
    world.upload()
    begins = world.now + SETTLING
    decision = world.step()
    assert (decision.create, decision.wake_at) == (None, begins)
    assert world.condition("AwaitingUpload") == "False"
    settling = next(c for c in world.status.conditions if c.type == "Reconciling")
    assert (settling.status, settling.reason) == ("True", "UploadSettling")
    assert world.status.progress
    assert world.status.progress.message == settling.message
    assert f"{begins:%H:%M:%S}" in settling.message
    world.seconds += 5
    assert world.step().status == decision.status, "the message is not written anew each time"


def test_files_that_arrive_one_by_one_make_one_run() -> None:
    world = World(UPLOAD)
    for _ in range(5):
        world.upload()
        world.seconds += 8
        world.step()
    assert not world.made
    world.seconds += 10
    world.step()
    assert revision(world) == 5


def test_a_file_that_arrives_during_the_ingest_ends_it_at_once_and_settles() -> None:
    world = World(UPLOAD)
    world.upload()
    world.seconds += 10
    world.step()
    (first,) = world.live()
    first.run()
    world.upload()
    world.step()
    assert (first.deleting, world.live()) == (True, [])
    world.seconds += 10
    world.step()
    assert revision(world) == 2


def test_a_clock_ahead_of_the_operators_delays_by_no_more_than_the_settling() -> None:
    world = World(UPLOAD)
    world.step()
    world.upload(clock_ahead=3600)
    assert world.step().wake_at == world.now + SETTLING
    world.seconds += 10
    world.step()
    assert revision(world) == 1


def test_a_revision_of_unknown_time_begins_at_once() -> None:
    world = World(UPLOAD)
    world.change(source={"upload": {"revision": 3}})
    world.step()
    assert revision(world) == 3


def test_what_was_published_stays_until_the_next_cloud_is_there() -> None:
    world = World(UPLOAD)
    world.upload()
    world.run_until_quiet()
    published, url = world.status.published, world.status.url
    assert world.status.phase is Phase.SUCCEEDED
    world.upload()
    for _ in range(12):
        world.step()
        world.complete()
        if world.status.phase is Phase.SUCCEEDED:
            break
        assert (world.status.published, world.status.url) == (published, url)
        world.seconds += 5
    assert world.status.published != published
    assert world.status.url == url


def test_a_new_time_of_an_old_arrival_runs_nothing_again() -> None:
    world = World(UPLOAD)
    world.upload()
    world.run_until_quiet()
    made = world.made
    later = (world.now + timedelta(hours=1)).isoformat()
    world.change(source={"upload": {"revision": 1, "receivedAt": later}})
    world.run_until_quiet()
    assert world.made == made
    assert world.status.phase is Phase.SUCCEEDED


def test_settling_does_not_hold_up_the_later_stages() -> None:
    world = World(UPLOAD)
    world.upload()
    world.run_until_quiet()
    world.change(reconstruction={"quality": "high"})
    world.step()
    assert [child.stage for child in world.live()] == [StageName.RECONSTRUCT]
