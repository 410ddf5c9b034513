"""Whatever bytes come: OpenTofu's files, compose files and mailcow.conf are read or said, and lead nowhere outside."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import compose, hcl


def words(tokens: list[str]) -> st.SearchStrategy[bytes]:
    return st.one_of(st.text(max_size=60), st.lists(st.sampled_from(tokens), max_size=25).map("".join)).map(
        lambda text: text.encode("utf-8", "replace")
    )


QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@QUICK
@given(words(hcl.TOKENS))
def test_any_bytes_are_opentofu_or_said(data: bytes) -> None:
    hcl.search(data)


@QUICK
@given(words(compose.TOKENS))
def test_any_bytes_are_compose_or_said(data: bytes) -> None:
    compose.search(data)


@pytest.mark.slow
@pytest.mark.parametrize("search", [hcl, compose], ids=["hcl", "compose"])
def test_long_walks_through_the_grammar_end(search: object) -> None:
    kind = hcl if search is hcl else compose
    chance = random.Random(5)
    for _ in range(400):
        kind.search("".join(chance.choices(kind.TOKENS, k=chance.randrange(5, 80))).encode("utf-8", "replace"))
