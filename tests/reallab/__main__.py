"""The real lab by hand: `python -m tests.reallab up|down|status|run MACHINE COMMAND…|break FAULT|heal`."""

from __future__ import annotations

import argparse
import os
import sys
import time

from tests.reallab import needs
from tests.reallab.addresses import MACHINES
from tests.reallab.lab import RealLab


def main() -> int:
    """Do what is asked; the lab that `up` starts runs on in the background."""
    parser = argparse.ArgumentParser(prog="python -m tests.reallab", description=__doc__)
    parser.add_argument("--name", default="cowlab", help="the prefix of its namespaces")
    verbs = parser.add_subparsers(dest="verb", required=True)
    rising = verbs.add_parser("up", help="start it in the background")
    rising.add_argument("--tunnel", choices=("tun", "veth"), default="", help="else whichever there is")
    rising.add_argument(
        "--docker", action="store_true", help="Mailcow in a real Docker engine, by a real docker compose"
    )
    verbs.add_parser("down", help="end it, and take away what dead ones left")
    verbs.add_parser("status", help="whether it is up")
    running = verbs.add_parser("run", help="run a command on a machine")
    running.add_argument("machine", choices=MACHINES)
    running.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    lab = RealLab(arguments.name)
    if arguments.verb == "run":
        argv = lab.argv(arguments.machine, arguments.command)
        os.execvp(argv[0], argv)
    if arguments.verb == "up":
        if missing := needs.missing_docker() if arguments.docker else needs.missing():
            print(f"the real lab cannot run here: {missing}", file=sys.stderr)
            return 1
        began = time.perf_counter()
        lab.up(detach=True, tunnel=arguments.tunnel, docker=arguments.docker)
        print(f"up in {time.perf_counter() - began:.1f} s: {', '.join(f'{lab.name}-{m}' for m in MACHINES)}")
    elif arguments.verb == "down":
        lab.down()
        print("down")
    else:
        print("up" if lab.is_up else "down")
    return 0


if __name__ == "__main__":
    sys.exit(main())
