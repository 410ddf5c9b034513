"""One sweep by an operator who answers every question alike: `python -m tests.reallab.answering SITE ANSWER`."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from console.engine.sweeps import Sweeps
from console.engine.vantages import open_site
from console.estate.load import load
from console.questions import Question


async def main(site: str, answer: str) -> None:
    """Print the questions, and each lane's words by hop."""
    asked: list[str] = []

    async def ask(question: Question) -> str:
        asked.append(question.id)
        return answer

    read = load(Path(site))
    opened = open_site(read.site, ask=ask)
    sweeps = Sweeps(read.topology, opened.hosts, opened.missing, lambda event: None)
    try:
        await opened.open()
        await sweeps.sweep()
    finally:
        await opened.close()
    words = {f"{reading.lane} {reading.hop}": [reading.outcome, reading.word] for reading in sweeps.readings.values()}
    print(json.dumps({"asked": asked, "words": words, "log": list(opened.log)}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
