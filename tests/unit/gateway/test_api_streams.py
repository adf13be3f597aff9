"""What a stream has yet to tell: the newest of each job, in order, however long its reader takes."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from pointcloud_gateway.api.streams import News, Reader
from pointcloud_gateway.job_ids import JobId


class Told(News):
    """News of nothing but a job's name and a number."""

    def __init__(self, name: str, number: int) -> None:
        self._name = name
        self.version = self.position = str(number)

    @property
    def id(self) -> JobId:
        return JobId("a", self._name)


async def drained(reader: Reader, stopping: asyncio.Event) -> list[tuple[str, int]]:
    told = []
    while reader._pending:
        async for news in reader.news():
            assert news is not None
            told.append((news.id.name, int(news.version)))
            break
    stopping.set()
    assert [news async for news in reader.news()] == []
    return told


@given(st.lists(st.sampled_from("abcd"), max_size=30))
def test_a_slow_reader_is_told_the_newest_of_each_job_in_the_order_of_the_changes(names: list[str]) -> None:
    async def scene() -> list[tuple[str, int]]:
        stopping = asyncio.Event()
        reader = Reader(stopping)
        for number, name in enumerate(names):
            reader.put(Told(name, number))
        return await drained(reader, stopping)

    newest = {name: number for number, name in enumerate(names)}
    assert asyncio.run(scene()) == sorted(newest.items(), key=lambda item: item[1])


async def test_a_reader_that_waits_is_woken_by_news() -> None:
    stopping = asyncio.Event()
    reader = Reader(stopping)
    waiting = asyncio.ensure_future(anext(reader.news()))
    await asyncio.sleep(0)
    reader.put(Told("a", 1))
    news = await waiting
    assert news is not None
    assert news.version == "1"


async def test_a_reader_that_waits_ends_with_the_process() -> None:
    stopping = asyncio.Event()
    reader = Reader(stopping)

    async def read() -> list[News | None]:
        return [news async for news in reader.news()]

    reading = asyncio.create_task(read())
    await asyncio.sleep(0)
    stopping.set()
    reader.wake()
    assert await reading == []
