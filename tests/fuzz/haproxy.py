"""`python -m tests.fuzz.haproxy -runs=N`: libFuzzer looks for bytes that reader, rules or edits cannot bear.

Without atheris (it is built for some Pythons and x86-64 Linux only) `search()` is given to hypothesis instead.
"""

from __future__ import annotations

import sys
from pathlib import Path

SECRET = "hunter2-swordfish"
"""The value of every secret in the environment; nothing may say it."""

ENVIRONMENT = {
    "HOST": "10.0.0.1",
    "PORT": "25",
    "LIST": "a b",
    "DB_PASSWORD": SECRET,
    "API_TOKEN": SECRET,
    "A": "$A" * 9,
}

TOKENS = [
    "listen ", "frontend ", "backend ", "defaults ", "global", " from ", "bind ", "server s ", "default-server ",
    "server-template t 1-3 ", "use_backend ", "default_backend ", "option tcp-check", "option smtpchk", "no option ",
    "tcp-check connect ", "tcp-check expect string x", "timeout client ", "30m", " send-proxy", "no-send-proxy",
    " check port ", "10.0.0.1:10025", ":25,:::25", "ipv6@[::1]:25-30", "unix@/run/x", "fd@3", ":+1000", "disabled",
    ".if ", ".elif ", ".else", ".endif", "defined(A)", "streq(a,b)", "feature(X)", "version_atleast(2.6)", "&&", "||",
    "\"${A}\"", "\"${LIST[*]}\"", "\"${DB_PASSWORD-x}\"", "$HOST", "setenv A b", "presetenv ", "unsetenv ",
    "resetenv ", "tcp-request connection reject", "http-request deny", "acl x src ", "track s/t", "crt /x ssl",
    "http-request set-header A ", "http-request set-var(a) ", "%[", "]", "hdr(a)", ",lower", "{ ", " }", " if ",
    "\\x41", "\\ ", "'", "\"", "#", "\r\n", "\n    ", "peers p", "moonbase 1", "# cowhand: ignore CH004",
]  # fmt: skip
"""What the grammar is made of."""


def search(data: bytes) -> None:
    """Read bytes as haproxy.cfg, work everything out, lint, and edit; raises when something does not hold."""
    from console.diagnosis.lint import lint
    from console.sources import haproxy
    from console.topology.build import build
    from console.topology.sources import Sources

    head, _, body = data.partition(b"\n")
    text = body.decode("utf-8", "surrogateescape")
    choice = head[0] if head else 0
    environment = (None, ENVIRONMENT, {})[choice % 3]
    known = (None, haproxy.Build("2.6.12", frozenset({"LUA"}), "OpenSSL 3.0.15"))[choice // 3 % 2]
    files = (
        [("a.cfg", text)] if choice < 128 else [("a.cfg", text[: len(text) // 2]), ("b.cfg", text[len(text) // 2 :])]
    )
    configuration = haproxy.parse_files(files, environment, known)
    assert "".join(haproxy.write(configuration, name) for name, _ in files) == text
    sources = Sources(haproxy=configuration, texts=dict(files))
    findings = lint(sources, build(sources))
    used = configuration.effective
    assert len(used) == len(configuration.proxies)
    for each in used:
        assert len({server.name for server in each.servers}) >= bool(each.servers)
    said = [str(each) for each in (*configuration.problems, *configuration.warnings)] + [
        each.summary + each.remedy for each in findings
    ]
    assert all(each.isprintable() for each in said)
    assert not any(SECRET in each for each in said) or SECRET in text
    for problem in configuration.problems:
        assert problem.line >= 1 <= problem.column
    _edit(text, choice)


def _edit(text: str, choice: int) -> None:
    """Make edits; each is refused with a place, or leaves every other line as it was."""
    from console.errors import InputError
    from console.sources.haproxy import edit

    lines = text.split("\n")
    number = choice % len(lines) + 1
    edits: list[edit.Edit] = [
        edit.Argument(number, ("send-proxy",)),
        edit.Argument(number, ("port", "10025"), before="check"),
        edit.Drop(number, "check"),
        edit.Insert(number, ("timeout client 30m",)),
        edit.Remove(number),
        edit.Recipe(number, ("tcp-check expect string x",)),
        edit.Listener("listen", "added", ("bind :587", "server m 10.0.0.1:10587")),
    ]
    chosen = edits[choice // 7 % len(edits)]
    try:
        edited = edit.apply(text, chosen)
    except InputError as refused:
        assert refused.line >= 1 or isinstance(chosen, edit.Listener)
        assert str(refused).isprintable()
        return
    kept = edited.split("\n")
    if isinstance(chosen, edit.Argument | edit.Drop):
        assert lines[: number - 1] + lines[number:] == kept[: number - 1] + kept[number:]
    elif isinstance(chosen, edit.Insert | edit.Listener):
        rest = iter(kept)
        assert all(line in rest for line in lines)
    elif isinstance(chosen, edit.Remove):
        assert lines[: number - 1] + (lines[number:] or [""]) == kept


def seeds(folder: Path) -> None:
    """Write what the search begins with: every configuration of the tests and the sample."""
    root = Path(__file__).parents[2]
    for number, path in enumerate(sorted([*root.glob("tests/console/cases/**/*.cfg"), *root.glob("assets/**/*.cfg")])):
        (folder / f"{number}").write_bytes(bytes([number * 37 % 256]) + b"\n" + path.read_bytes()[:4096])


def main(argv: list[str]) -> None:
    """Search until the number of runs is over; exits 77 when something was found, which is then printed."""
    import tempfile

    import atheris

    with atheris.instrument_imports(include=["console.sources.haproxy", "console.topology"]):
        import console.sources.haproxy
        import console.sources.haproxy.edit
        import console.topology.build  # noqa: F401

    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        corpus, words = Path(name) / "corpus", Path(name) / "words"
        corpus.mkdir()
        seeds(corpus)
        words.write_text("".join(f'"{_escaped(token)}"\n' for token in TOKENS))
        options = ["-max_len=4096", "-rss_limit_mb=1024", "-timeout=20", f"-dict={words}", f"-artifact_prefix={name}/"]
        atheris.Setup([argv[0], *options, *argv[1:], str(corpus)], _tell)
        atheris.Fuzz()


def _tell(data: bytes) -> None:
    try:
        search(data)
    except Exception:
        print(f"search({data!r})", flush=True)
        raise


def _escaped(token: str) -> str:
    return "".join(each if each.isalnum() else f"\\x{ord(each):02x}" for each in token)


if __name__ == "__main__":
    main(sys.argv)
