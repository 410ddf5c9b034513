"""`python -m tests.fuzz.compose -runs=N`: libFuzzer looks for bytes that compose and env files may not hold."""

from __future__ import annotations

import sys

TOKENS = [
    "services:\n", "  web:\n", "    ports:\n", "      - ", "'8080:80'", "    environment:\n", "      A: ", "${A:-", "}",
    "${B:?no}", "$$", "$", "    extends: web\n", "    extends: {file: a.yml, service: web}\n", "include: [a.yml]\n",
    "    env_file: [a.env]\n", "!reset ", "!override ", "&x ", "*x", "<<: ", "[", "]", "{", "}", ":", ",", "\n", "  ",
    "|", ">", "\t", '"', "'", "#", "---\n", "1-65535:1-65535", "/udp", "[::1]:1:1", "A=1\n", "export B='x'\n", "null",
]  # fmt: skip
"""What the grammar is made of."""


def search(data: bytes) -> None:
    """Read, merge and edit bytes as compose files and as mailcow.conf; raises when something does not hold."""
    from console.errors import InputError
    from console.sources import compose
    from console.sources.compose import edit as yaml_edit
    from console.sources.compose import env_edit, env_file

    text = data.decode("utf-8", "replace")
    half = len(text) // 2
    read = env_file.read(text, "mailcow.conf")
    asked: list[str] = []

    def files(path: str) -> str | None:
        asked.append(path)
        return text if len(asked) < 50 else None

    found = compose.merge([("a.yml", text), ("b.yml", text[half:])], read.values, files)
    for problem in (*found.problems, *read.problems):
        assert problem.line >= 1 <= problem.column
        assert problem.problem.isprintable()
    for edit in (
        lambda: yaml_edit.append(text, ("services", "web", "ports"), "9:9", "a.yml"),
        lambda: yaml_edit.put(text, ("services", "web", "environment", "Z"), "z", "a.yml"),
        lambda: yaml_edit.remove(text, ("services", "web"), "a.yml"),
        lambda: env_edit.put(text, "Z", "z z", "mailcow.conf"),
    ):
        try:
            edit()
        except InputError as refused:
            assert str(refused).isprintable()


def main(argv: list[str]) -> None:
    """Search until the number of runs is over; what is found is printed."""
    import atheris

    with atheris.instrument_imports(include=["console.sources"]):
        pass
    atheris.Setup(argv, search)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
