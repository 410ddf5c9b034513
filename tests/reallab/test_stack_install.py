"""Mailcow installed by its flow: a real Docker engine and compose, a clone by git, an image out of a real registry."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.reallab.stack import FOLDER, Stack
from tests.reallab.sweeping import COWHAND

REMOTE, OLDEST = "/srv/mailcow.git", 24


@pytest.fixture
def nothing(stack: Stack) -> Iterator[Stack]:
    """The VM before Mailcow is installed."""
    stack.nothing()
    yield stack
    stack.lab.do("mailcow", "umount", "--lazy", "/opt")
    stack.reset()


def install(stack: Stack, *answers: str) -> tuple[int, list[dict[str, Any]]]:
    """Exit code and events of the flow on the operator's machine, every plan agreed to."""
    given = [word for answer in answers for word in ("--answer", answer)]
    argv = [COWHAND, "--site", "/root/site/site.toml", "flow", "install-mailcow", "--yes", "--json", *given]
    done = stack.lab.run("oper", argv, timeout=240)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def test_mailcow_is_installed_from_its_repository_and_again_there_is_nothing_to_do(nothing: Stack) -> None:
    status, events = install(nothing, f"repository={REMOTE}")
    engine = nothing.lab.do("mailcow", "docker", "version", "--format", "{{.Server.Version}}")
    if int(engine.split(".")[0]) < OLDEST:  # Debian 12's own, where nobody unpacked a newer one
        assert (status, "Mailcow needs 24 or newer" in str(events[-1])) == (1, True), events[-1]
        assert nothing.files() == {}
        return
    assert status == 0, events[-1]
    assert nothing.states() == dict.fromkeys(nothing.states(), "running") and len(nothing.states()) == 5
    told = str(events)
    assert all(f"{name}-mailcow works" in told for name in ("postfix", "dovecot", "nginx", "unbound"))
    assert "nobody can ask them anything from here: memcached-mailcow" in told

    conf = nothing.read("mailcow.conf")
    assert "HTTP_REDIRECT=n\n" in conf and "SKIP_LETS_ENCRYPT=y\n" in conf
    assert "TRUSTED_PROXIES=100.64.0.1\n" in conf, "as the VM sees HAProxy call: nginx does not believe a tailnet"
    assert "MAILCOW_HOSTNAME=mail.benoit.jp.net\nDBPASS=" in conf.replace("\n\n", "\n")
    assert {port.address for name in nothing.states() for port in nothing.ports(name)} == {"10.10.10.214"}
    modes = "stat -c '%a %n' mailcow.conf data/assets/ssl/key.pem data/assets/ssl-example/key.pem"
    said = nothing.lab.do("mailcow", "sh", "-c", f"cd {FOLDER} && {modes}")
    assert {line.split()[0] for line in said.splitlines()} == {"600"}
    lines = (line.partition("=") for line in conf.splitlines())
    secrets = [value for name, _, value in lines if name in ("DBPASS", "DBROOT", "REDISPASS")]
    assert len(secrets) == 3 and not any(secret in told for secret in secrets)

    there, ids = nothing.files(), nothing.ids()
    status, events = install(nothing)
    assert (status, "nothing to do" in str(events[-1])) == (0, True), events[-1]
    assert (nothing.files(), nothing.ids()) == (there, ids)
