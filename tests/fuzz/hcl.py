"""`python -m tests.fuzz.hcl -runs=N`: libFuzzer looks for bytes that the readers of OpenTofu's files cannot bear."""

from __future__ import annotations

import sys

TOKENS = [
    'resource "incus_instance" "vm" {\n', 'module "m" {\n source = "../../x"\n', "locals {\n", "variable \"v\" {\n",
    "}\n", "{", "[", "]", "(", ")", '"', "${", "%{ if ", "%{ for x in ", "%{ endif }", "~}", "a", " = ", "\n", "1",
    ",", ".", "# c\n", "/*", "*/", "<<-EOF\n", "EOF\n", "\\", "for k, v in ", " : ", "?", "=>", "...", "[*]", "!",
    "-", "&&", "local.a", "var.v", "each.key", "count.index", "for_each = ", "count = 9\n", "file(\"../../etc/x\")",
    "templatefile(", "try(", "range(", "format(\"%s\", ", "cidrsubnet(", "flatten(", "\r\n", "é", "\ufeff",
]  # fmt: skip
"""What the grammar is made of."""


def search(data: bytes) -> None:
    """Read bytes as *.tf, *.tf.json, *.tfvars and a module's folder; raises when something does not hold."""
    from console.sources import opentofu

    text = data.decode("utf-8", "replace")
    asked: list[str] = []

    def files(path: str) -> str | None:
        asked.append(path)
        return text

    main = ("tofu/main.tf", text)
    folders = {"x": [("x/m.tf", text)], "tofu/m": [("tofu/m/m.tf", text)], "../x": [main]}
    for pairs in ([main], [("tofu/main.tf.json", text)], [main, ("tofu/a_override.tf", text), ("tofu/v.tfvars", text)]):
        found = opentofu.read(pairs, folders, {"v": text[:40]}, files)
        for problem in found.problems:
            assert problem.line >= 1 <= problem.column
            assert str(problem).isprintable()
        for unknown in found.unknown:
            assert unknown.reason
    assert not any(path.startswith(("/", "..", "~")) for path in asked)


def main(argv: list[str]) -> None:
    """Search until the number of runs is over; what is found is printed."""
    import atheris

    with atheris.instrument_imports(include=["console.sources"]):
        import console.sources.opentofu.files  # noqa: F401
    atheris.Setup(argv, search)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
