"""What has to be there before Mailcow can be started: programs, its repository, and the settings it makes itself."""

from __future__ import annotations

import re

from console.facts.installation import Installation, major_of
from console.flows import Ask, CheckResult, Plan, Run, Step, StepContext, done, needed, refused, skipped
from console.flows.awaiting import CLONED, GENERATED
from console.flows.install_mailcow.commands import (
    BRANCH,
    CLONE,
    DOCKERS,
    FINGERPRINT,
    GENERATE,
    INSTALL,
    OWN,
    PACKAGES,
    REPOSITORY,
    SYSTEMS,
    cloning,
)
from console.flows.install_mailcow.ground import FOLDER, OLDEST, SMALL, Ground, look
from console.flows.install_mailcow.wanted import FILE
from console.text import join_words

PROGRAMS = "programs"

APT, FETCH, SETTLE, SILENCE = 1800.0, 3600.0, 300.0, 900.0
"""Seconds: packages, the clone, generate_config.sh, and a program that says nothing."""

_NAME = re.compile(r"(?=.{4,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]", re.I)
_ZONE = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+){0,2}")
_REPOSITORY = re.compile(r"(?:https|ssh)://[\w.@:/~+-]+|/[\w./+-]+")


class Programs(Step):
    """Docker, compose and what Mailcow's scripts call."""

    name, words, patience = PROGRAMS, "install Docker and what Mailcow's scripts need", 120.0

    async def check(self, context: StepContext) -> CheckResult:
        """Done when none of them is missing, and docker answers."""
        ground = await look(context)
        lacking = missing(ground.there)
        if ground.adopted:
            return skipped("Mailcow is there")
        if not lacking:
            return done(
                f"docker {ground.there.engine}, compose {ground.there.compose}, and the other programs are there"
            )
        if not ground.there.apt:
            return refused(f"there is no apt-get; install {join_words(lacking)} by hand, Docker 24 or newer")
        if _old(ground.there) and not _owned(ground.there):
            return refused(f"{_offer(ground.there)}; install Docker {OLDEST} or newer by hand")
        if ground.there.silent:
            return needed(f"docker does not answer: {ground.there.silent}")
        return needed(f"{join_words(lacking)} {'is' if len(lacking) == 1 else 'are'} missing")

    async def plan(self, context: StepContext) -> Plan:
        """The distribution's packages, or Docker's own where those are too old; a command refuses what is too old."""
        there = (await look(context)).there
        lacking = missing(there)
        if "docker" in there.lacking and _owned(there) and context.ask(_whose(there)) == "own":
            return _own(there, [each for each in lacking if each not in ("docker", "compose")])
        install = Run("mail", ("sh", "-c", INSTALL, "sh", *lacking), APT, silence=SILENCE)
        notes = (
            f"the distribution's packages; if its docker.io is older than {OLDEST}, start again with docker-from=own",
            "docker is enabled, and starts with the machine",
        )
        return Plan((install,), notes, undo="apt-get purge, by hand")


def _old(there: Installation) -> bool:
    """Whether the distribution is known to have a docker.io that Mailcow refuses."""
    return "docker" in there.lacking and (major_of(there.offered) or OLDEST) < OLDEST


def _owned(there: Installation) -> bool:
    """Whether Docker has packages for this distribution."""
    system, _, release = there.system.partition(" ")
    return system in SYSTEMS and release.isalnum()


def _offer(there: Installation) -> str:
    return f"the distribution's docker.io is {there.offered}, and Mailcow needs {OLDEST}"


def _whose(there: Installation) -> Ask:
    choices = {"distribution": "the distribution's docker.io", "own": "Docker's own, from download.docker.com"}
    offered = major_of(there.offered)
    given = None if offered is None else "own" if offered < OLDEST else "distribution"
    return Ask("docker-from", "Whose packages of Docker?", choices, given=given, default="distribution")


def _own(there: Installation, others: list[str]) -> Plan:
    system, release = there.system.split(" ")
    words = ("sh", "-c", OWN, "sh", DOCKERS, system, release, FINGERPRINT, *others)
    notes = (
        *([_offer(there)] if _old(there) else []),
        f"Docker's own repository is added: {DOCKERS}/{system}, {release}, in /etc/apt/sources.list.d/docker.sources",
        f"its key goes to /etc/apt/keyrings/docker.asc; nothing is installed unless its fingerprint is {FINGERPRINT}",
        "where a source of download.docker.com is there already, that one is used; no package is removed",
        "docker is enabled, and starts with the machine",
    )
    undo = "apt-get purge, and removing docker.sources and docker.asc, by hand"
    return Plan((Run("mail", words, APT, silence=SILENCE),), notes, undo=undo)


class Clone(Step):
    """Mailcow's repository, whole: its installer asks it for tags and branches."""

    name, words, patience = CLONED, f"clone Mailcow into {FOLDER}", 120.0

    async def check(self, context: StepContext) -> CheckResult:
        """Done when compose file and installer are there."""
        there = (await look(context)).there
        if there.kind == "mailcow" or there.containers:
            return done(f"{there.version or 'it'} is there")
        return needed(f"there is no {FOLDER}" if there.kind == "none" else f"{FOLDER} is empty")

    async def plan(self, context: StepContext) -> Plan:
        """Cloned beside, and renamed when it is whole."""
        text = "Where is Mailcow cloned from? https://…, ssh://… or a folder of the mail host"
        where = context.ask(Ask("repository", text, given=REPOSITORY, check=_cloneable))
        words = ("sh", "-c", CLONE, "sh", where, FOLDER, BRANCH)
        clone = Run("mail", words, FETCH, silence=SILENCE, progress=cloning)
        notes = (f"{where}, branch {BRANCH}; it becomes {FOLDER} when it is whole",)
        return Plan((clone,), notes, undo=f"remove {FOLDER} by hand, while nothing was started")


class Generate(Step):
    """Mailcow's own installer, answered ahead."""

    name, words, patience = GENERATED, f"have generate_config.sh write {FILE}", 120.0

    async def check(self, context: StepContext) -> CheckResult:
        """Done when there is a mailcow.conf that was not left half-way by us."""
        ground = await look(context)
        there = ground.there
        if ground.adopted:
            return done(f"{FILE} is there")
        if there.half:
            return needed("generate_config.sh was cut off")
        return done(f"{FILE} is there") if there.settings else needed(f"there is no {FILE}")

    async def plan(self, context: StepContext) -> Plan:
        """Name, time zone and ClamAV are answered; passwords it makes itself."""
        ground = await look(context)
        name, zone, clamd = context.ask_all(*questions(context, ground))
        generate = Run("mail", ("sh", "-c", GENERATE, "sh", FOLDER, name, zone, clamd, BRANCH), SETTLE)
        notes = [
            f"MAILCOW_HOSTNAME={name}, MAILCOW_TZ={zone}, SKIP_CLAMD={clamd}; it makes the passwords itself",
            "it calls asn-check.mailcow.email and its own repository, and makes a self-signed certificate",
        ]
        if ground.there.routed6:
            notes.append("where it finds that IPv6 works it writes /etc/docker/daemon.json, and restarts Docker")
        if ground.there.half:
            notes.append(f"the {FILE} of the run that was cut off is removed: nothing was started with it")
        return Plan((generate,), tuple(notes), undo=f"remove {FILE} by hand, while nothing was started")


def missing(there: Installation) -> tuple[str, ...]:
    """What is to be installed: docker, compose, and packages by their names."""
    docker = ("docker",) if not there.engine else ()
    plugin = ("compose",) if not there.compose else ()
    return (*docker, *plugin, *dict.fromkeys(PACKAGES.get(each, each) for each in there.lacking if each != "docker"))


def questions(context: StepContext, ground: Ground) -> tuple[Ask, Ask, Ask]:
    """Name, time zone and ClamAV; what the site or the machine tells is not asked."""
    names = [each for each in context.estate.sources.names if not _named(each)]
    sure = names[0] if len(names) == 1 else None
    text = "Which name does the mail server have? The one in the PTR record of the proxy's address"
    zone = ground.there.zone if not _zoned(ground.there.zone) else None
    small = bool(ground.there.memory) and ground.there.memory <= SMALL
    choices = {"n": "ClamAV scans mail; it needs 1.5 GiB of memory", "y": "leave ClamAV out"}
    return (
        Ask("hostname", text, given=sure, default=names[0] if names else None, kind="host", check=_named),
        Ask("zone", "Which time zone? such as Europe/Berlin", given=zone, default="Etc/UTC", check=_zoned),
        Ask("skip-clamd", "Leave ClamAV out?", choices, given="y" if small else "n"),
    )


def _named(text: str) -> str:
    return "" if _NAME.fullmatch(text) and text.count(".") > 1 else "a full name is wanted, such as mail.example.org"


def _zoned(text: str) -> str:
    return "" if _ZONE.fullmatch(text) else "a name of the tz database is wanted, such as Europe/Berlin"


def _cloneable(text: str) -> str:
    return "" if _REPOSITORY.fullmatch(text) else "an address that begins with https:// or ssh://, or a path"
