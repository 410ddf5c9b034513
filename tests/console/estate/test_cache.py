"""What is shown before anything is read is what was read last, and only when nothing has changed since."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from msgspec.structs import replace

from console.diagnosis.lint import lint
from console.engine.engine import Engine
from console.estate import cache
from console.estate import load as estate
from console.estate.missing import missing
from console.events import EstateRead
from console.store.folders import cache_folder

SITE = '[sources]\nhaproxy = ["haproxy.cfg"]\n'
LISTEN = "listen smtp\n    bind :25\n    mode tcp\n    server mailcow 10.10.10.214:10025 send-proxy check\n"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "haproxy.cfg").write_text(LISTEN)
    path = tmp_path / "site.toml"
    path.write_text(SITE)
    return path


def read(site: Path) -> EstateRead:
    loaded = estate.load(site)
    return EstateRead(
        loaded.title,
        loaded.topology,
        lint(loaded.sources, loaded.topology),
        loaded.problems,
        loaded.texts,
        warnings=loaded.warnings,
        missing=missing(loaded.site, loaded.topology),
    )


def test_an_unchanged_estate_is_recalled_without_its_texts(site: Path) -> None:
    assert cache.read(site) is None
    cache.write(site, read(site))
    assert cache.read(site) == replace(read(site), texts={}, missing="")


def test_no_text_of_a_file_is_kept(site: Path) -> None:
    config = site.parent / "haproxy.cfg"
    config.write_text(config.read_text() + "    # a remark that is nowhere else\n")
    cache.write(site, read(site))
    folder = cache_folder()
    assert folder is not None
    (kept,) = folder.glob("estate-*")
    assert b"remark that is" not in kept.read_bytes() and b"haproxy.cfg" in kept.read_bytes()


def test_problems_are_recalled_too(site: Path) -> None:
    site.write_text(SITE + 'opentofu = ["missing.tf"]\n')
    cache.write(site, read(site))
    cached = cache.read(site)
    assert cached is not None
    assert [str(problem) for problem in cached.problems] == [str(problem) for problem in read(site).problems]


def test_warnings_are_recalled_too(site: Path) -> None:
    config = site.parent / "haproxy.cfg"
    config.write_text(config.read_text() + "    optoin tcplog\n")
    cache.write(site, read(site))
    cached = cache.read(site)
    assert cached is not None
    assert len(cached.warnings) == 1
    assert cached == replace(read(site), texts={}, missing="")


@pytest.mark.parametrize("name", ["site.toml", "haproxy.cfg"])
def test_a_changed_file_is_not_recalled(site: Path, name: str) -> None:
    cache.write(site, read(site))
    file = site.parent / name
    file.write_text(file.read_text() + "# more\n")
    assert cache.read(site) is None


TOFU = 'resource "incus_storage_volume" "opt" {\n  name = "opt"\n  config = { size = %s }\n}\n'


def test_a_file_that_an_expression_read_counts_as_one_of_the_estate_s(site: Path) -> None:
    (site.parent / "main.tf").write_text(TOFU % 'file("size.txt")')
    site.write_text(SITE + 'opentofu = ["main.tf"]\n')
    size = site.parent / "size.txt"
    sizes = []
    for write in (lambda: None, lambda: size.write_text("10GiB"), lambda: size.write_text("2GiB"), size.unlink):
        write()
        assert cache.read(site) is None
        cache.write(site, read(site), estate.beside(site))
        kept = cache.read(site)
        assert kept is not None
        sizes.append(kept.topology.volumes[0].size)
    assert sizes == ['file("size.txt")', "10GiB", "2GiB", 'file("size.txt")']


def test_an_env_file_that_appears_counts_too(site: Path) -> None:
    (site.parent / "compose.yml").write_text(
        'services:\n  web:\n    image: "web"\n    env_file: [{path: more.env, required: false}]\n'
    )
    site.write_text(SITE + 'compose = ["compose.yml"]\n')
    cache.write(site, read(site), estate.beside(site))
    assert cache.read(site) is not None
    (site.parent / "more.env").write_text("PORT=1\n")
    assert cache.read(site) is None


def test_what_the_environment_gives_is_neither_kept_nor_taken_for_another(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (site.parent / "main.tf").write_text('variable "size" {\n  default = "1GiB"\n}\n' + TOFU % "var.size")
    site.write_text(SITE + 'opentofu = ["main.tf"]\n')
    cache.write(site, read(site))
    monkeypatch.setenv("TF_VAR_size", "7GiB-of-a-secret")
    assert cache.read(site) is None
    cache.write(site, read(site))
    folder = cache_folder()
    assert folder is not None
    (kept,) = folder.glob("estate-*")
    assert b"7GiB" not in kept.read_bytes()
    monkeypatch.delenv("TF_VAR_size")
    before = cache.read(site)
    assert before is not None
    assert before.topology.volumes[0].size == "1GiB"


def test_what_is_kept_is_the_operators_alone(site: Path) -> None:
    cache.write(site, read(site))
    folder = cache_folder()
    assert folder is not None
    for path in (folder, *folder.glob("estate-*")):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


def test_a_damaged_cache_is_no_reason_to_fail(site: Path) -> None:
    cache.write(site, read(site))
    folder = cache_folder()
    assert folder is not None
    (kept,) = folder.glob("estate-*")
    for damage in (b"", b"\xff" * 40, kept.read_bytes()[:-7]):
        kept.write_bytes(damage)
        assert cache.read(site) is None


def test_the_engine_tells_only_what_the_watcher_was_not_shown(site: Path) -> None:
    told: list[object] = []
    engine = Engine(lambda: estate.load(site), lambda estate, log, ask: None, opening=read(site))  # type: ignore[arg-type,return-value]
    engine._notify = told.append
    engine._read()
    assert told == []
    (site.parent / "haproxy.cfg").write_text(LISTEN.replace("smtp", "mail"))
    engine._read()
    assert len(told) == 1
