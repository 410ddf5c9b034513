"""The grammar of HCL is compiled once, when the program is installed, and not again in each process of the tests."""

from __future__ import annotations

import pytest

from console.estate import tables


@pytest.fixture(scope="session", autouse=True)
def kept_grammar() -> None:
    """Use the tables that come with the program."""
    tables.keep()
