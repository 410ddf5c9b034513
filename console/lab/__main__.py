"""The lab's own process: `python -m console.lab serve --name X`, listening itself or on a socket it inherits."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
import threading

from console.lab import place


def main(argv: list[str] | None = None) -> int:
    """Serve a lab until it is told to end, its lifeline breaks or a signal comes."""
    parser = argparse.ArgumentParser(prog="python -m console.lab")
    serve = parser.add_subparsers(dest="command", required=True).add_parser("serve", help="run a lab")
    serve.add_argument("--name", required=True, help="the lab's name, on which its control socket listens")
    serve.add_argument("--listen", type=int, metavar="FD", help="a listening socket to take over")
    serve.add_argument("--lifeline", type=int, metavar="FD", help="a pipe: the lab ends when its other end closes")
    serve.add_argument("--seed", action="store_true", help="half-way: no override, Dovecot trusts nobody")
    serve.add_argument(
        "--empty", action="store_true", help="nothing is installed yet: no HAProxy, no Docker, no Mailcow"
    )
    serve.add_argument("--detach", action="store_true", help="go on in the background")
    arguments = parser.parse_args(argv)
    try:
        listening = (
            place.Place(arguments.name).socket if arguments.listen is None else socket.socket(fileno=arguments.listen)
        )
    except FileExistsError:
        print(f"a lab of the name {arguments.name} is up already", file=sys.stderr)
        return 1
    if arguments.detach and os.fork():
        os._exit(0)
    os.chdir("/")
    if arguments.lifeline is not None:
        threading.Thread(target=_hang_on, args=(arguments.lifeline, arguments.name), daemon=True).start()
    logging.disable(logging.CRITICAL)  # the daemons' own loggers: their sessions are in the services' logs
    try:
        asyncio.run(_serve(listening, arguments.name, arguments.seed, arguments.empty))
    finally:
        place.vacate(arguments.name)
    return 0


def _hang_on(lifeline: int, name: str) -> None:
    """Wait in a thread, so that even a stuck loop cannot outlive its parent."""
    os.read(lifeline, 1)
    place.vacate(name)
    os._exit(0)


async def _serve(listening: socket.socket, name: str, seed: bool, empty: bool) -> None:
    from console.lab.control import Control
    from console.lab.plan import plan
    from console.lab.rehearsal import Rehearsal

    lab = Rehearsal(plan(), seed, empty)
    await lab.start()
    control = Control(lab, name)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, control.ended.set)
    await control.open(listening)
    await control.ended.wait()
    listening.close()
    await lab.stop()


if __name__ == "__main__":
    sys.exit(main())
