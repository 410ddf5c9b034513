"""`python -m tests.oracle.tofu_console FILE`: what `tofu console` makes of each expression of a file, recorded.

FILE is tests/console/sources/cases/expressions.json: its expressions are asked again, and their answers written to it.
An answer is the outcome as JSON; null where OpenTofu refuses the expression. Needs `tofu` on PATH, no provider."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path


def ask(expression: str, folder: str) -> str | None:
    """Return the outcome of one expression as JSON; None when it is refused."""
    done = subprocess.run(
        ["tofu", "console"],
        input=f"base64encode(jsonencode({expression}))\n",
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode:
        return None
    if not (answer := re.fullmatch(r'"([\w+/=]*)"', done.stdout.strip())):
        return None
    return json.dumps(json.loads(base64.b64decode(answer[1])), ensure_ascii=False)


def main(file: str) -> None:
    """Ask all expressions of the file again, and write it."""
    path = Path(file)
    cases: list[tuple[str, str | None]] = json.loads(path.read_text())["cases"]
    version = json.loads(subprocess.run(["tofu", "version", "-json"], capture_output=True, check=True).stdout)
    with tempfile.TemporaryDirectory() as folder:
        answers = [(expression, ask(expression, folder)) for expression, _ in cases]
    made = f"OpenTofu {version['terraform_version']}, by python -m tests.oracle.tofu_console"
    lines = ",\n".join(f"    {json.dumps(case, ensure_ascii=False)}" for case in answers)
    path.write_text(f'{{\n  "made": {json.dumps(made)},\n  "cases": [\n{lines}\n  ]\n}}\n')


if __name__ == "__main__":
    main(sys.argv[1])
