"""Compose files: every way to write a port, variables, environments, and what is broken."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import assets
from console.model import Published
from console.sources.compose.files import Compose, read

SEED = (Path(assets.__file__).parent / "lab" / "docker-compose.override.yml").read_text()


def ports(*written: str, **variables: str) -> Compose:
    items = "".join(f"    - {each}\n" for each in written)
    return read(f"services:\n  web:\n    ports:\n{items}", "c.yml", variables)


def told(found: Compose) -> list[str]:
    return [f"{each.address}:{each.port}:{each.container_port}/{each.protocol}" for each in found.published]


class TestTheSeed:
    found = read(SEED, "docker-compose.override.yml", {})

    def test_eight_proxy_ports_are_published_on_every_address(self) -> None:
        assert [(each.service, each.address, each.port) for each in self.found.published] == [
            ("dovecot-mailcow", "0.0.0.0", 10143),
            ("dovecot-mailcow", "0.0.0.0", 10993),
            ("dovecot-mailcow", "0.0.0.0", 10110),
            ("dovecot-mailcow", "0.0.0.0", 10995),
            ("dovecot-mailcow", "0.0.0.0", 14190),
            ("postfix-mailcow", "0.0.0.0", 10025),
            ("postfix-mailcow", "0.0.0.0", 10465),
            ("postfix-mailcow", "0.0.0.0", 10587),
        ]
        assert all(each.port == each.container_port and each.protocol == "tcp" for each in self.found.published)

    def test_each_has_its_place_and_the_variable_that_decides(self) -> None:
        smtp = self.found.published[5]
        assert smtp.variable == "SMTP_PORT_HAPROXY"
        assert (smtp.source.file, smtp.source.line, smtp.source.column) == ("docker-compose.override.yml", 16, 9)

    def test_the_environment_is_read_with_its_place(self) -> None:
        value, place = self.found.environment["postfix-mailcow"]["MAILCOW_HOSTNAME"]
        assert (value, str(place)) == ("relay.benoit.jp.net", "docker-compose.override.yml:20")

    def test_a_variable_replaces_address_and_port(self) -> None:
        found = read(SEED, "o.yml", {"SMTP_PORT_HAPROXY": "10.10.10.214:20025"})
        assert told(found)[5] == "10.10.10.214:20025:10025/tcp"

    def test_an_empty_variable_is_as_none(self) -> None:
        assert read(SEED, "o.yml", {"SMTP_PORT_HAPROXY": ""}).published == read(SEED, "o.yml", {}).published


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ('"8080:80"', ["0.0.0.0:8080:80/tcp"]),
        ("8080:80/udp", ["0.0.0.0:8080:80/udp"]),
        ("'127.0.0.1:8080:80'", ["127.0.0.1:8080:80/tcp"]),
        ("'[::1]:8080:80'", ["::1:8080:80/tcp"]),
        ("'9000-9002:8000-8002'", ["0.0.0.0:9000:8000/tcp", "0.0.0.0:9001:8001/tcp", "0.0.0.0:9002:8002/tcp"]),
        ("'9000-9002:8000'", ["0.0.0.0:9000:8000/tcp"]),
        ("80", []),
        ("'80'", []),
        ("'127.0.0.1::80'", []),
        ("{ target: 80, published: 8080 }", ["0.0.0.0:8080:80/tcp"]),
        (
            "{ target: 80, published: '8080', host_ip: 10.0.0.1, protocol: udp, mode: host }",
            ["10.0.0.1:8080:80/udp"],
        ),
        ("{ target: 80, published: '8080-8081' }", ["0.0.0.0:8080:80/tcp"]),
        ("{ target: 80, host_ip: 10.0.0.1 }", []),
        ('"${P}"', ["0.0.0.0:1:2/tcp"]),
        ('"$P"', ["0.0.0.0:1:2/tcp"]),
        ('"${P:-9:9}"', ["0.0.0.0:1:2/tcp"]),
        ('"${NONE:-9:9}"', ["0.0.0.0:9:9/tcp"]),
        ('"${NONE-9}:9"', ["0.0.0.0:9:9/tcp"]),
        ('"${NONE:-${EMPTY:-${ADDRESS}:7}}:9"', ["10.1.1.1:7:9/tcp"]),
        ('"${ADDRESS:+10.2.2.2:}5:9"', ["10.2.2.2:5:9/tcp"]),
        ('"${NONE:+10.2.2.2:}5:9"', ["0.0.0.0:5:9/tcp"]),
        ('"${ADDRESS:?must be}:5:9"', ["10.1.1.1:5:9/tcp"]),
        ("{ target: 80, published: '${NONE:-81}' }", ["0.0.0.0:81:80/tcp"]),
    ],
)
def test_a_port_is_published_as_it_is_written(written: str, found: list[str]) -> None:
    compose = ports(written, P="1:2", ADDRESS="10.1.1.1", EMPTY="")
    assert (told(compose), compose.problems) == (found, ())


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("x", 'c.yml:4:7: "x" is no port; written [address:][port:]container-port[/protocol]'),
        (
            "'::1:8080:80'",
            'c.yml:4:7: "::1:8080:80" is no port; written [address:][port:]container-port[/protocol], IPv6 in brackets',
        ),
        ("99999:80", 'c.yml:4:7: "99999:80": ports are 1 to 65535, ranges of one length'),
        ("'0:80'", 'c.yml:4:7: "0:80": ports are 1 to 65535, ranges of one length'),
        ("'1-3:1-2'", 'c.yml:4:7: "1-3:1-2": ports are 1 to 65535, ranges of one length'),
        ("'3-1:80'", 'c.yml:4:7: "3-1:80": ports are 1 to 65535, ranges of one length'),
        ("'localhost:8080:80'", 'c.yml:4:7: "localhost" is no address of this machine; a number is needed'),
        ('"${NONE:?set it}:80"', "c.yml:4:7: NONE must be set: set it"),
        ('"${NONE"', 'c.yml:4:7: "${" without its "}"; a dollar sign is written $$'),
        ('"${1}:80"', 'c.yml:4:7: "${1}" is no variable'),
        ('"$:80"', 'c.yml:4:7: "$" without a name; a dollar sign is written $$'),
        ("'$$P'", 'c.yml:4:7: "$P" is no port; written [address:][port:]container-port[/protocol]'),
        ('"\\e[31m"', 'c.yml:4:7: "\\x1b[31m" is no port; written [address:][port:]container-port[/protocol]'),
        (
            "{ published: 80 }",
            "c.yml:4:7: a port needs target: and, to be reached, published:; both are numbers",
        ),
    ],
)
def test_a_broken_port_is_said_and_the_others_are_kept(written: str, said: str) -> None:
    compose = ports(written, "7:7")
    assert ([str(problem) for problem in compose.problems], told(compose)) == ([said], ["0.0.0.0:7:7/tcp"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "services:\n\tweb: 1\n",
            "c.yml:2:1: this is not YAML: found character '\\t' that cannot start any token; write blanks",
        ),
        (
            "services:\n  a: {ports: ['1",
            "c.yml:2:17: this is not YAML: found unexpected end of stream; was the file cut?",
        ),
        (
            "sevices:\n  a: {}\n",
            'c.yml:1:1: docker compose knows no "sevices" at the top of a file: "services" is meant?',
        ),
        ("services: {}\nfoo: 1\n", 'c.yml:2:1: docker compose knows no "foo" at the top of a file: correct it'),
        ("services:\n", "c.yml:1:1: services: has names with settings below it"),
        ("services: 3\n", "c.yml:1:1: services: has names"),
        (
            "services:\n  a:\n    image: x\n    port: ['1:1']\n",
            'c.yml:4:5: docker compose knows no "port" of a service: "ports" is meant?',
        ),
        ("services: [a\nb: 1", "c.yml:2:2: this is not YAML: expected ',' or ']'"),
        ("- a\n", "c.yml:1:1: a compose file begins with services:"),
        ("just words", "c.yml:1:1: a compose file begins with services:"),
        ("a: \x01\n", "c.yml:1:4: this is not YAML: a control character stands here"),
        ("a: *missing\n", "c.yml:1:4: this is not YAML: found undefined alias"),
        (
            "a: 1\n---\nb: 2\n",
            "c.yml:2:1: a second document begins here, and only one is read: drop the --- line, or split the file",
        ),
        ("a: " + "[" * 3000, "c.yml:1:1: this is not a compose file: brackets too deep"),
        ("services:\n  web:\n    ports: 80\n", "c.yml:3:12: ports: is a list"),
        (
            "services:\n  web:\n    ports: []\n    ports: ['1:1']\n",
            'c.yml:4:5: "ports" stands here twice, first at line 3',
        ),
    ],
    ids=lambda value: value[:24],
)
def test_a_broken_file_is_said_at_its_place(text: str, said: str) -> None:
    (problem,) = read(text, "c.yml", {}).problems
    assert str(problem).startswith(said)


@pytest.mark.parametrize("text", ["", "# only a comment\n", "services: {}\n", "version: '3'\n", "---\n"])
def test_a_file_without_services_publishes_nothing(text: str) -> None:
    assert read(text, "c.yml", {}) == Compose()


@pytest.mark.parametrize("change", [lambda text: "\ufeff" + text, lambda text: text.replace("\n", "\r\n")])
def test_a_bom_and_crlf_change_nothing(change: object) -> None:
    assert callable(change)
    assert read(change(SEED), "c.yml", {}) == read(SEED, "c.yml", {})


def test_aliases_and_merged_mappings_are_followed() -> None:
    text = """
services:
  a: &a
    ports: ["1:1"]
    environment: &e
      KEPT: 1
      CHANGED: 1
  b:
    <<: *a
    environment:
      <<: [*e]
      CHANGED: 2
"""
    found = read(text, "c.yml", {})
    assert [(each.service, each.port) for each in found.published] == [("a", 1), ("b", 1)]
    assert {name: value for name, (value, _) in found.environment["b"].items()} == {"KEPT": "1", "CHANGED": "2"}


def test_override_and_reset_tags_are_read() -> None:
    text = (
        "services:\n  a:\n    ports: !override ['1:1']\n  b:\n    ports: !reset ['2:2']\n  c: !custom\n    ports: []\n"
    )
    found = read(text, "c.yml", {})
    assert (told(found), found.problems) == (["0.0.0.0:1:1/tcp"], ())


def test_an_environment_is_a_list_or_a_mapping() -> None:
    text = """
services:
  a:
    environment: [A=1, "B=${HOST}", C, D=x=y]
  b:
    environment: { A: 1, B: "${HOST}", C: , D: null, E: "" }
"""
    found = read(text, "c.yml", {"HOST": "h", "C": "from .env"})
    said = {service: {name: value for name, (value, _) in each.items()} for service, each in found.environment.items()}
    assert said == {
        "a": {"A": "1", "B": "h", "C": "from .env", "D": "x=y"},
        "b": {"A": "1", "B": "h", "C": "from .env", "D": None, "E": ""},
    }


def test_aliases_that_multiply_end() -> None:
    steps = "".join(f"x{n + 1}: &x{n + 1}\n  <<: [*x{n}, *x{n}]\n" for n in range(100))
    text = f"x0: &x0 {{ ports: ['1:1'] }}\n{steps}services:\n  a:\n    <<: *x100\n"
    assert told(read(text, "c.yml", {})) == ["0.0.0.0:1:1/tcp"]


def test_a_mapping_that_merges_itself_ends() -> None:
    assert told(read("services:\n  a: &a\n    <<: *a\n    ports: ['1:1']\n", "c.yml", {})) == ["0.0.0.0:1:1/tcp"]


def test_ranges_that_multiply_are_cut() -> None:
    assert len(ports(*["'1-65535:1-65535'"] * 20).published) == 10000


_PIECES = st.sampled_from(
    [
        "services:", "\n", "  ", "a:", "ports:", "- ", "'1:1'", "${A:-", "}", "$", "&x ", "*x", "<<: ", "[", "]", "{",
        ",", "environment:", "!reset ", "|", ">", "\t", '"', "'", "#", "?", "%", "@", "`", "---", "...", "\r\n", "80",
    ]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(max_size=80), st.lists(_PIECES, max_size=30).map("".join)))
def test_any_text_is_read_or_said(text: str) -> None:
    found = read(text, "c.yml", {"A": "1"})
    assert all(isinstance(each, Published) for each in found.published)
    for problem in found.problems:
        assert problem.line >= 1
        assert problem.problem.isprintable()


def test_keys_of_one_s_own_and_those_of_a_newer_compose_are_let_be() -> None:
    text = "x-own: 1\nname: n\nversion: '3'\nservices:\n  a:\n    x-b: 1\n    quite_new: 1\n    ports: ['1:1']\n"
    found = read(text, "c.yml", {})
    assert (told(found), found.problems) == (["0.0.0.0:1:1/tcp"], ())
