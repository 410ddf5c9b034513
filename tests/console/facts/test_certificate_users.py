"""What Docker says of the containers that have to do with Mailcow's certificate, by the script as it runs on a host."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.facts.certificate_users import ask, parse
from console.hosts.host import Completed
from console.hosts.local import Local
from console.model import CertificateUser

DOCKER = """\
#!/bin/sh
case "$*" in
*"service=acme-mailcow"*) echo aaaa ;;
*"service=dovecot-mailcow"*) echo dddd ;;
*Env*aaaa) printf 'DBPASS=%s\\nSKIP_LETS_ENCRYPT=%s\\n' "$SECRET" n ;;
*Env*) printf 'DBPASS=%s\\n' "$SECRET" ;;
*aaaa) echo running 0 0001-01-01T00:00:00Z ;;
*dddd) echo exited 143 2027-01-15T08:00:05.123456789Z ;;
esac
"""
SECRET = "a-password-of-the-database"


class Watched(Local):
    """This machine, with a `docker` of the test's alone; all that its commands print is kept."""

    def __init__(self, root: Path, text: str | None) -> None:
        super().__init__()
        self.folder, self.printed = root, b""
        if text is not None:
            (root / "docker").write_text(text)
            (root / "docker").chmod(0o755)

    async def run(self, argv, timeout: float, cap: int = 1 << 20) -> Completed:  # type: ignore[no-untyped-def]
        path = f"PATH={self.folder}:/usr/bin:/bin" if (self.folder / "docker").exists() else f"PATH={self.folder}"
        done = await super().run(["/usr/bin/env", path, f"SECRET={SECRET}", *["/bin/sh", *argv[1:]]], timeout, cap)
        self.printed += done.stdout + done.stderr
        return done


async def test_containers_are_told_and_nothing_else_of_their_environment(tmp_path: Path) -> None:
    ssl = tmp_path / "mailcow/data/assets/ssl"
    ssl.mkdir(parents=True)
    (ssl / "cert.pem").write_text("x")
    written = (ssl / "cert.pem").stat().st_mtime // 1
    host = Watched(tmp_path, DOCKER)
    assert await ask(host, str(tmp_path / "mailcow")) == (
        CertificateUser("acme-mailcow", "running", 0, None, written, False),
        CertificateUser("dovecot-mailcow", "exited", 143, 1_800_000_005.0, written),
    )
    assert SECRET.encode() not in host.printed


async def test_a_host_without_docker_or_with_one_that_may_not_be_asked_tells_nothing(tmp_path: Path) -> None:
    for text in (None, "#!/bin/sh\necho permission denied >&2; exit 1\n"):
        assert await ask(Watched(tmp_path, text), str(tmp_path)) == ()


ROW = "@container acme-mailcow running 0 0001-01-01T00:00:00Z\n\n@skips {}\n"


@pytest.mark.parametrize(
    ("value", "skips"), [("y", True), ("Y", True), ("yes", True), ("n", False), ("", False), ("true", False)]
)
def test_only_what_mailcow_takes_for_a_yes_keeps_acme_away(value: str, skips: bool) -> None:
    (found,) = parse(f"{ROW.format(value)}@written \n@end\n")
    assert (found.skips, found.written) == (skips, None)


@pytest.mark.parametrize(
    "text",
    [
        "", "@end\n", ROW.format("y"), f"{ROW.format('y')}@end",
        "@container acme-mailcow Running! 0 x\n\n@skips y\n@end\n",
        "@container evil\x1b[2J running 0 0001-01-01T00:00:00Z\n\n@skips y\n@end\n",
        "@container acme-mailcow running 0 2027-99-01T00:00:00Zx\n\n@skips y\n@end\n",
    ],
)  # fmt: skip
def test_an_answer_that_is_not_whole_or_not_docker_s_tells_nothing(text: str) -> None:
    assert parse(text) == ()


def test_a_time_that_is_none_is_not_known() -> None:
    (found,) = parse("@container dovecot-mailcow exited 1 2027-99-01T00:00:00Z\n\n@skips \n@written 5\n@end\n")
    assert (found.ended, found.written, found.status) == (None, 5.0, 1)
