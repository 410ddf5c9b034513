"""`python -m tests.oracle.compose FILE`: what `docker compose config` makes of each case, recorded into FILE.

It needs no engine: COMPOSE names the plugin's binary (Debian: /usr/libexec/docker/cli-plugins/docker-compose)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.oracle.compose_cases import CASES

PLACES = ("/usr/libexec/docker/cli-plugins/docker-compose", "/usr/lib/docker/cli-plugins/docker-compose")

Answer = dict[str, dict[str, Any]] | None
"""Service → ports, environment, volumes, command, image; None when compose refuses the files."""


def binary() -> str | None:
    """Return compose's own binary, when there is one."""
    named = os.environ.get("COMPOSE")
    return next((path for path in (*([named] if named else []), *PLACES) if Path(path).is_file()), None)


def write(case: dict[str, str], folder: Path) -> list[str]:
    """Write a case's files; return those that compose is given, in order."""
    for name, text in case.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return [name for name in ("base.yml", "over.yml") if name in case]


def ask(tool: str, case: dict[str, str]) -> Answer:
    """Return what compose makes of a case."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        argv = [tool, *(word for file in write(case, folder) for word in ("-f", file)), "config", "--format", "json"]
        environment = {"PATH": os.environ["PATH"], "HOME": name}
        done = subprocess.run(argv, cwd=folder, env=environment, capture_output=True, timeout=60, check=False)
        # A dollar sign of its own is written $$ in the answer, as in a compose file.
        return None if done.returncode else told(json.loads(done.stdout.replace(b"$$", b"$")), name)


def told(config: dict[str, Any], folder: str) -> Answer:
    """Return of compose's answer what is compared."""
    return {name: _service(service, folder) for name, service in sorted(config.get("services", {}).items())}


def _service(service: dict[str, Any], folder: str) -> dict[str, Any]:
    ports = [
        f"{port.get('host_ip', '0.0.0.0')}:{port['published']}:{port['target']}/{port['protocol']}"
        for port in service.get("ports", [])
        if "published" in port
    ]
    volumes = [
        f"{str(each.get('source')).replace(folder, '.')}:{each['target']}" for each in service.get("volumes", [])
    ]
    return {
        "ports": sorted(ports),
        "environment": dict(sorted(service.get("environment", {}).items())),
        "volumes": sorted(volumes),
        "command": service.get("command"),
        "image": service.get("image"),
    }


def main(file: str) -> None:
    """Ask all cases, and write the answers."""
    tool = binary()
    if tool is None:
        raise SystemExit("no docker-compose here: set COMPOSE to its binary")
    said = subprocess.run([tool, "version", "--short"], capture_output=True, text=True, check=True).stdout.strip()
    answers = {name: ask(tool, case) for name, case in CASES.items()}
    made = f"docker compose {said}, by python -m tests.oracle.compose"
    Path(file).write_text(json.dumps({"made": made, "answers": answers}, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
