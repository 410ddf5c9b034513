"""Docker, which writes below these paths: stopped while they change, started on them alone."""

from __future__ import annotations

from console.flows import (
    Ask,
    CheckResult,
    NotYetKnown,
    Plan,
    Refusal,
    Run,
    StepContext,
    done,
    needed,
    skipped,
)
from console.flows.mount_volumes.looking import (
    DAEMON,
    LOOK,
    Looking,
    reload_systemd,
)
from console.flows.mount_volumes.mounting import Mount
from console.text import join_words

DROP_IN = "/etc/systemd/system/docker.service.d/cowhand-volumes.conf"


class Quiet(Looking):
    """Docker writes below these paths."""

    name, words = "stop docker", "stop docker while its folders change"

    async def check(self, context: StepContext) -> CheckResult:
        """Needed while it runs and a volume is not mounted."""
        survey = await self.look(context)
        missing = self.missing(survey)
        if survey.docker.load_state != "loaded":
            return skipped("there is no docker yet")
        if not missing:
            return skipped("every volume is mounted")
        if survey.docker.active_state in ("inactive", "failed"):
            return done("docker does not run")
        return needed(f"docker runs, and {join_words(missing)} {'is' if len(missing) == 1 else 'are'} not mounted yet")

    async def plan(self, context: StepContext) -> Plan:
        """It is asked for by name: mail stops."""
        text = "docker has to be stopped, and all mail with it, until the volumes are mounted. Stop it?"
        choices = {"stop": "stop docker now, and start it again at the end", "not": "leave it running; change nothing"}
        if context.ask(Ask("docker", text, choices)) != "stop":
            raise Refusal("docker was to be left running")
        stop = Run("mail", ("systemctl", "stop", "docker.socket", "docker.service"), DAEMON)
        return Plan((stop,), ("mail stands still from here until docker is started",), undo="start it again")

    async def undo(self, context: StepContext) -> Plan | None:
        return Plan((Run("mail", ("systemctl", "start", "docker.service"), DAEMON),))


class Order(Looking):
    """Docker on an empty folder would come up as an empty Mailcow."""

    name, words = "docker waits", "start docker only after the mounts"

    def _text(self) -> str:
        paths = [each.path for each in self.found]
        rows = ["[Unit]", f"RequiresMountsFor={' '.join(paths)}", *(f"AssertPathIsMountPoint={path}" for path in paths)]
        return "".join(f"{row}\n" for row in rows)

    async def check(self, context: StepContext) -> CheckResult:
        """Done when the drop-in is as it should be, and systemd has read it."""
        survey = await self.look(context)
        if not survey.docker.load_state:
            return skipped("there is no systemd")
        if await context.text("mail", DROP_IN) != self._text():
            return needed("nothing keeps docker from starting without them")
        if survey.docker.need_daemon_reload == "yes":
            return needed("systemd has not read it yet")
        return done("docker starts only when they are mounted", DROP_IN)

    async def plan(self, context: StepContext) -> Plan:
        folder = Run("mail", ("mkdir", "-p", "--", DROP_IN.rpartition("/")[0]), LOOK)
        write = await context.edit("mail", DROP_IN, self._text())
        edit = () if write.before == write.after else (write,) if write.before is not None else (folder, write)
        note = "until all are mounted docker does not start: go on, or take this back"
        return Plan((*edit, reload_systemd()), (note,), undo=f"remove {DROP_IN}")

    async def undo(self, context: StepContext) -> Plan | None:
        if await context.data("mail", DROP_IN) is None:
            return None
        return Plan((Run("mail", ("rm", "--", DROP_IN), LOOK), reload_systemd()))


class Start(Looking):
    """Docker again, if it belongs to a start of this machine."""

    name, words = "start docker", "start docker on the volumes"

    async def check(self, context: StepContext) -> CheckResult:
        """Needed when it is enabled and does not run."""
        survey = await self.look(context)
        if survey.docker.load_state != "loaded":
            return skipped("there is no docker yet")
        mounted = not self.missing(survey) or context.expects(Mount.name)
        stopped = context.expects(Quiet.name)
        if survey.docker.active_state == "active" and mounted and not stopped:
            return done("docker runs")
        if survey.docker.unit_file_state != "enabled":
            return skipped("docker is not enabled: it is left as it is")
        if not mounted:
            raise NotYetKnown(f"{join_words(self.missing(survey))} is not mounted")
        return needed(
            "docker is enabled and will have been stopped" if stopped else "docker is enabled and does not run"
        )

    async def plan(self, context: StepContext) -> Plan:
        start = Run("mail", ("systemctl", "start", "docker.service"), DAEMON)
        return Plan((start,), undo="stop it again")

    async def undo(self, context: StepContext) -> Plan | None:
        return Plan((Run("mail", ("systemctl", "stop", "docker.socket", "docker.service"), DAEMON),))
