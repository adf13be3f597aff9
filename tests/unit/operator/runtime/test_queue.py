import asyncio

import pytest

from pointcloud_operator.runtime.queue import Key, WorkQueue


def key(name: str, namespace: str = "a") -> Key:
    return Key(namespace, name)


async def taken(queue: WorkQueue, count: int) -> list[Key]:
    return [await queue.get() for _ in range(count)]


async def is_empty(queue: WorkQueue) -> bool:
    getting = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)  # lets it take what there is
    empty = not getting.done()
    getting.cancel()
    return empty


async def test_a_key_asked_for_twice_comes_once() -> None:
    queue = WorkQueue()
    queue.add(key("x"))
    queue.add(key("x"))
    assert await queue.get() == key("x")
    assert await is_empty(queue)


async def test_a_key_asked_for_while_it_is_worked_on_comes_again_afterwards() -> None:
    queue = WorkQueue()
    queue.add(key("x"))
    await queue.get()
    queue.add(key("x"))
    assert await is_empty(queue)
    queue.done(key("x"))
    assert await queue.get() == key("x")


async def test_a_namespace_with_many_keys_does_not_hold_up_another() -> None:
    queue = WorkQueue()
    for name in ("1", "2", "3"):
        queue.add(key(name, "crowded"))
    queue.add(key("1", "quiet"))
    namespaces = [each.namespace for each in await taken(queue, 4)]
    assert namespaces == ["crowded", "quiet", "crowded", "crowded"]


async def test_each_waiting_worker_gets_one_key() -> None:
    queue = WorkQueue()
    workers = [asyncio.create_task(queue.get()) for _ in range(2)]
    await asyncio.sleep(0)  # lets both wait
    queue.add(key("x"))
    queue.add(key("y"))
    assert set(await asyncio.gather(*workers)) == {key("x"), key("y")}


async def test_of_several_times_the_earliest_counts() -> None:
    queue = WorkQueue()
    queue.add_after(key("x"), 3600)
    queue.add_after(key("x"), 0)
    queue.add_after(key("x"), 1800)
    assert await queue.get() == key("x")


async def test_a_forgotten_key_does_not_come_back() -> None:
    queue = WorkQueue()
    queue.add_after(key("x"), 0)
    queue.forget(key("x"))
    queue.add_after(key("y"), 0)
    assert await queue.get() == key("y")
    assert await is_empty(queue)


@pytest.mark.parametrize("failures", [1, 5])
async def test_a_failed_key_comes_again(failures: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pointcloud_operator.runtime.queue.FIRST_RETRY_SECONDS", 0)
    queue = WorkQueue()
    for _ in range(failures):
        queue.retry(key("x"))
        assert await queue.get() == key("x")
        queue.done(key("x"))


async def test_a_server_that_asks_to_be_left_alone_is_whatever_happens_meanwhile() -> None:
    queue = WorkQueue()
    begun = asyncio.get_running_loop().time()
    queue.retry(key("x"), after=0.3)
    queue.add(key("x"))
    queue.add_after(key("x"), 0)
    assert await queue.get() == key("x")
    assert asyncio.get_running_loop().time() >= begun + 0.3


async def test_a_forgotten_key_leaves_the_queue() -> None:
    queue = WorkQueue()
    queue.add(key("x"))
    queue.add(key("y", "b"))
    queue.forget(key("x"))
    assert len(queue) == 1
    assert await queue.get() == key("y", "b")
    assert await is_empty(queue)


async def test_its_age_is_that_of_the_oldest_key_waiting_or_worked_on() -> None:
    queue = WorkQueue()
    assert queue.age == 0
    queue.add(key("x"))
    queue.add(key("y"))
    await queue.get()
    await asyncio.sleep(0.01)
    queue.add(key("z"))
    assert queue.age >= 0.01
    queue.done(key("x"))
    assert queue.age >= 0.01
    queue.forget(key("y"))
    assert queue.age < 0.01


async def test_it_tells_how_long_each_key_waited() -> None:
    waits: list[float] = []
    queue = WorkQueue(on_taken=waits.append)
    queue.add(key("x"))
    await asyncio.sleep(0.01)
    queue.add(key("x"))
    await queue.get()
    (waited,) = waits
    assert waited >= 0.01
