"""A state file of version 4, read as `show -json` tells it: terraform.tfstate and terraform-show.json are one state."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.errors import InputError
from console.sources.opentofu.values import Value
from console.tofu import show, state

CASES = Path(__file__).parent / "cases"


def attribute(*path: str | int | None) -> list[dict[str, Any]]:
    """A path as a state writes it; None is a step into a set."""
    return [
        {"type": "get_attr", "value": step}
        if number == 0
        else {"type": "index", "value": {"value": step if step is not None else {"a": 1}, "type": "number"}}
        for number, step in enumerate(path)
    ]


def instance(values: dict[str, Any], *sensitive: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"attributes": values, "sensitive_attributes": list(sensitive), **more}


def resource(*instances: dict[str, Any], kind: str = "incus_instance", **more: Any) -> dict[str, Any]:
    return {"mode": "managed", "type": kind, "name": "vm", "provider": "p", "instances": list(instances), **more}


def read(*resources: dict[str, Any], **more: Any) -> show.Shown:
    return state.parse(json.dumps({"version": 4, "resources": list(resources), **more}))


def values(*sensitive: list[dict[str, Any]]) -> dict[str, Value]:
    found = {"name": "vm", "config": {"a": "hunter2", "b": "plain"}, "list": ["one", "hunter2", {"x": "hunter2"}]}
    return read(resource(instance(found, *sensitive))).resources[0].values


def test_a_state_reads_as_show_tells_it() -> None:
    told = show.parse((CASES / "terraform-show.json").read_bytes())
    assert state.parse((CASES / "terraform.tfstate").read_bytes()) == told
    assert len(told.resources) == 3 and "hunter2" not in repr(told)


def test_a_resource_has_its_address_module_and_key() -> None:
    found = read(
        resource(instance({}), module="module.a[0].module.b"),
        resource(instance({}, index_key=3), instance({}, index_key='a"b'), mode="data"),
    )
    assert [(each.address, each.module, each.index, each.data) for each in found.resources] == [
        ("module.a[0].module.b.incus_instance.vm", "module.a[0].module.b", None, False),
        ("data.incus_instance.vm[3]", "", 3, True),
        ('data.incus_instance.vm["a\\"b"]', "", 'a"b', True),
    ]


@pytest.mark.parametrize(
    "path",
    [
        attribute("config", "a"),
        attribute("config"),
        attribute("list", 1),
        attribute("list", 2, "x"),
        attribute("list", None, "x"),
        attribute("list", 10**9),
        attribute("list", -1),
        [{"type": "index", "value": {"value": 0, "type": "number"}}],
        [{}],
    ],
    ids=str,
)
def test_a_text_that_is_sensitive_at_one_place_is_hidden_at_all(path: list[dict[str, Any]]) -> None:
    assert "hunter2" not in repr(values(path))


def test_what_is_not_sensitive_is_kept() -> None:
    assert "hunter2" in repr(values())
    found = values(attribute("config", "a"))
    assert (found["name"], found["config"]) == ("vm", {"a": show.HIDDEN, "b": "plain"})


def test_a_sensitive_output_is_hidden_in_every_resource() -> None:
    outputs = {"x": {"value": {"deep": ["hunter2"]}, "type": "string", "sensitive": True}}
    found = read(resource(instance({"name": "a hunter2 b"})), outputs=outputs)
    assert found.resources[0].values["name"] == f"a {show.HIDDEN} b"


def test_what_is_of_other_types_is_not_read() -> None:
    found = read(resource(instance({"result": "hunter2"}), kind="random_password"), resource(instance({"name": "vm"})))
    assert [each.address for each in found.resources] == ["incus_instance.vm"]


def test_a_state_of_too_many_resources_is_not_read() -> None:
    many = [instance({}, index_key=number) for number in range(state.MOST + 1)]
    assert len(read(resource(*many[1:])).resources) == state.MOST
    with pytest.raises(InputError, match="more than 2000 resources of Incus, and is not read"):
        read(resource(*many))


def test_where_there_is_too_much_to_mask_every_text_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(show, "EFFORT", 100)
    outputs = {"x": {"value": ["hunter2", "hunter3"], "sensitive": True}}
    found = read(resource(instance({"name": "vm", "more": "hunter2 and so on", "cpu": 2})), outputs=outputs)
    assert found.resources[0].values == {"name": "vm", "more": show.HIDDEN, "cpu": 2}


def test_what_is_only_kept_to_be_destroyed_is_no_resource() -> None:
    found = read(resource(instance({"name": "old"}, deposed="abcd"), instance({"name": "new"}, status="tainted")))
    assert [(each.values["name"], each.tainted) for each in found.resources] == [("new", True)]


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"version": "4"}', '{"version": 3}', '{"version": 5}'])
def test_what_is_no_state_of_this_version_is_said(text: str) -> None:
    with pytest.raises(InputError, match="state"):
        state.parse(text)


def test_an_encrypted_state_is_told_from_a_broken_one() -> None:
    with pytest.raises(state.Encrypted, match="its state is encrypted, which only OpenTofu reads"):
        state.parse('{"serial": 1, "lineage": "l", "meta": {}, "encrypted_data": "AA==", "encryption_version": "v0"}')


WORDS = st.sampled_from(["value", "type", "instances", "attributes", "a"])
SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3), max_leaves=12
)


@given(ANYTHING)
def test_whatever_is_in_it_there_is_a_state_or_a_sentence(found: Any) -> None:
    odd = {"attributes": {"a": found}, "sensitive_attributes": found}
    for whole in (found, {"version": 4, "resources": found}, {"version": 4, "resources": [resource(odd)]}):
        try:
            state.parse(json.dumps(whole))
        except InputError as error:
            assert str(error).isprintable()
