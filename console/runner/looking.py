"""A step asked what is so: within its patience, and with what it read kept for the plan that follows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from console.errors import TimedOut
from console.runner.context import StepContext
from console.runner.step import Step

T = TypeVar("T")


async def read(step: Step, context: StepContext, ask: Callable[[StepContext], Awaitable[T]]) -> T:
    """A check, with what it reads kept for the plan that follows; raises `TimedOut`."""
    context.keeping = True
    try:
        return await patiently(step, ask(context))
    finally:
        context.keeping = False


async def patiently(step: Step, asked: Awaitable[T]) -> T:
    """What is asked of a step; raises `TimedOut` when it takes longer than the step's patience."""
    try:
        async with asyncio.timeout(step.patience):
            return await asked
    except TimeoutError:
        raise TimedOut(f"{step.name} did not find out within {step.patience:g} s") from None
