"""Callers who ask the same at once share one question; answers last as long as they say."""

import asyncio

import pytest

from pointcloud_gateway.cache import CoalescingCache


class Source:
    """Counts the questions, and answers when told to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer = asyncio.Event()

    async def load(self, key: str) -> str:
        self.asked.append(key)
        await self.answer.wait()
        if key == "bad":
            raise LookupError(key)
        return key.upper()


async def test_questions_at_once_are_one_question() -> None:
    source = Source()
    cache = CoalescingCache(source.load, lifetime=lambda _: 60.0)
    callers = [asyncio.create_task(cache.get("a")) for _ in range(5)]
    await asyncio.sleep(0)
    source.answer.set()
    assert await asyncio.gather(*callers) == ["A"] * 5
    assert await cache.get("a") == "A"
    assert source.asked == ["a"]


async def test_a_caller_who_leaves_takes_the_answer_from_nobody() -> None:
    source = Source()
    cache = CoalescingCache(source.load, lifetime=lambda _: 60.0)
    leaving, staying = asyncio.create_task(cache.get("a")), asyncio.create_task(cache.get("a"))
    await asyncio.sleep(0)
    leaving.cancel()
    source.answer.set()
    assert await staying == "A"
    assert source.asked == ["a"]


async def test_errors_and_answers_without_a_lifetime_are_asked_for_again() -> None:
    source = Source()
    source.answer.set()
    cache = CoalescingCache(source.load, lifetime=lambda _: 0.0)
    for _ in range(2):
        with pytest.raises(LookupError):
            await cache.get("bad")
        await cache.get("a")
    assert source.asked == ["bad", "a", "bad", "a"]


async def test_the_least_recently_used_goes_first() -> None:
    source = Source()
    source.answer.set()
    cache = CoalescingCache(source.load, lifetime=lambda _: 60.0, max_entries=2)
    for key in ("a", "b", "a", "c", "a", "b"):
        await cache.get(key)
    assert source.asked == ["a", "b", "c", "b"]
