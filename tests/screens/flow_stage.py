"""A run of mount-volumes told event by event, as the engine tells it, to be stopped at any moment."""

from __future__ import annotations

from console.engine.overview import FlowSeen, LastRun, Standing
from console.events import (
    ActionBegan,
    ActionEnded,
    ActionSaid,
    ActionShown,
    FlowAsked,
    FlowBegan,
    FlowEnded,
    FlowEvent,
    FlowsChecked,
    PlanShown,
    Prompt,
    RunOutcome,
    StepChanged,
    StepPlanned,
    StepState,
)
from console.runner.state import RunStatus, fold
from tests.screens.stage import START, Stage, calm

RUN = "20260213-140500-abc123"
FLOW, WORDS = "mount-volumes", "Find the declared volumes, format the blank ones, and mount them for good"
STEPS = (
    ("find", "find the declared volumes"),
    ("match", "match them to disks"),
    ("format-opt", "format opt"),
    ("format-docker", "format var_lib_docker"),
    ("fstab", "write /etc/fstab"),
    ("order", "order docker after the mounts"),
    ("mount", "mount and verify"),
)
DISK = "/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_incus_mailcow--opt"
FORMAT = ActionShown("run", "mailcow", f"mkfs.ext4 -q -L cowhand-opt -E lazy_itable_init=0 {DISK}")
FSTAB = ActionShown(
    "write",
    "mailcow",
    "write /etc/fstab (mode 0644, 412 bytes, the version before kept as /etc/fstab.previous)",
    """--- /etc/fstab
+++ /etc/fstab
@@ -1,3 +1,5 @@
 # /etc/fstab: static file system information.
 UUID=8b2f… / ext4 discard,errors=remount-ro 0 1
-/dev/sdb /opt ext4 defaults 0 2
+UUID=5c1b6b0e-2f0f-4a53-9d0a-8f5f6f0f1c22 /opt ext4 defaults,nofail,x-systemd.device-timeout=10s 0 2
+UUID=91a0c1de-77aa-4b1c-8f59-0b9f9d2f6a10 /var/lib/docker ext4 defaults,nofail,x-systemd.device-timeout=10s 0 2
""",
)
RELOAD = ActionShown("run", "mailcow", "systemctl daemon-reload")
PLANS = {
    2: PlanShown(
        (FORMAT,),
        ("disk  …incus_mailcow--opt, 10 GiB, serial and size agree", "blank: wipefs none, blkid none, O_EXCL opens"),
        (("mailcow_opt", "whatever is on the disk of mailcow_opt (10 GiB)"),),
    ),
    4: PlanShown((FSTAB, RELOAD), undo="put /etc/fstab.previous back"),
}
WHY: dict[int, tuple[StepState, str]] = {
    0: ("so", "2 volumes are declared: opt, var_lib_docker"),
    1: ("so", "both disks are there, by-id name, serial and size agree"),
    2: ("planned", "the disk is blank"),
    3: ("so", "it carries our label, and agrees in name and size"),
    4: ("planned", "neither volume is in /etc/fstab"),
    5: ("planned", "docker starts whether they are mounted or not"),
    6: ("later", "what is mounted shows when /etc/fstab is written"),
}


def stood(step: int, state: StepState, words: str = "", at: float = 0.0, evidence: tuple[str, ...] = ()) -> StepChanged:
    """A step stands differently."""
    return StepChanged(RUN, step, state, words, evidence, START + (at or 300 + step))


def began(dry: bool = False, at: float = 300) -> FlowBegan:
    """The run began."""
    return FlowBegan(RUN, FLOW, WORDS, STEPS, dry, START + at)


def ended(outcome: RunOutcome, words: str, at: float = 420) -> FlowEnded:
    """The run ended."""
    return FlowEnded(RUN, outcome, words, "", START + at)


def asked(
    kind: str,
    step: int,
    text: str,
    choices: dict[str, str] | None = None,
    typed: str | None = None,
    default: str | None = None,
) -> FlowAsked:
    """The run waits."""
    prompt = Prompt(f"{RUN}:{step}{kind}", kind, step, text, kind, choices or {}, default, typed)  # type: ignore[arg-type]
    return FlowAsked(RUN, prompt)


def folded(*events: FlowEvent) -> RunStatus:
    """The state after some events."""
    state: RunStatus | None = None
    for event in events:
        state = fold(state, event)
    assert state is not None
    return state


def look(*nothing: int) -> RunStatus:
    """A dry run; the steps `nothing` are so already."""
    events: list[FlowEvent] = [began(dry=True, at=200)]
    for step, (state, words) in WHY.items():
        events.append(stood(step, "so", "it is so") if step in nothing else stood(step, state, words, at=210))
        if step in PLANS and step not in nothing:
            events.append(StepPlanned(RUN, step, PLANS[step]))
    return folded(*events, ended("planned", "this is what would be done; nothing was changed", at=211))


LAST = LastRun(
    "20260213-120000-aaa111", "failed", "format-opt failed: the link was cut", "", START - 7200, START - 7100
)
HELD = LastRun("20260213-135500-bbb222", "running", "", "process 4711 of anna on home", START - 300)
OTHERS = (
    FlowSeen("proxy-override", "Make Dovecot and Postfix trust the one proxy", look(*range(7)), 0.0, None),
    FlowSeen(
        "certificate-sync",
        "Bring each new certificate to the mail server",
        standing=Standing("needed", "the deploy key is not on vps yet", START),
    ),
    FlowSeen(
        "rotate-certificate", "Get a new certificate and bring it to every place that serves it", None, START, None
    ),
)


def seen(state: RunStatus | None = None, last: LastRun | None = LAST) -> tuple[FlowSeen, ...]:
    """The flows there are."""
    return (FlowSeen(FLOW, WORDS, state or look(), 0.0, last), *OTHERS)


YES = {"yes": "do it", "all": "do it, and all that follows", "skip": "leave it out", "stop": "end here"}
OPENED: tuple[FlowEvent, ...] = (began(), stood(0, "so", WHY[0][1]), stood(1, "so", WHY[1][1]))
AT_FORMAT = (*OPENED, stood(2, "planned", WHY[2][1]), StepPlanned(RUN, 2, PLANS[2]))
DESTROYING = (*AT_FORMAT, asked("destroy", 2, "type mailcow_opt: whatever is on the disk", typed="mailcow_opt"))
FORMATTING = (*AT_FORMAT, stood(2, "applying", at=305), ActionBegan(RUN, 2, FORMAT, START + 305))
HALF = "mke2fs 1.47.0 (5-Feb-2023)\nCreating journal (16384 blocks): done"
HEARD = (*FORMATTING, ActionSaid(RUN, 2, HALF, START + 306))
SAID = "Creating filesystem with 2621440 4k blocks and 655360 inodes\nWriting superblocks: done"
FORMATTED = (
    *FORMATTING,
    ActionEnded(RUN, 2, FORMAT, 0, SAID, "", 4.2, START + 309),
    stood(2, "done", "ext4, label cowhand-opt", at=310),
    stood(3, "so", WHY[3][1]),
    stood(4, "planned", WHY[4][1]),
    StepPlanned(RUN, 4, PLANS[4]),
)  # fmt: skip
CONFIRMING = (*FORMATTED, asked("confirm", 4, "write /etc/fstab?", YES))
TRUTH = (
    "mailcow: mkfs.ext4 ended with status 1: /dev/sdb: Input/output error; now: the disk is not blank and carries no"
    " file system that can be read"
)
BROKEN = "mke2fs 1.47.0 (5-Feb-2023)\nWarning: could not erase sector 2\n/dev/sdb: Input/output error"
CHOICES = {"retry": "look again, and go on from there", "undo": "undo it", "stop": "stop here"}
FAILED = (
    *FORMATTING,
    ActionEnded(RUN, 2, FORMAT, 1, BROKEN, f"mailcow: mkfs.ext4 ended with status 1: {BROKEN[-29:]}", 1.3, START + 306),
    stood(2, "failed", TRUTH, at=307),
    asked("failed", 2, TRUTH, CHOICES),
)  # fmt: skip
ANSWERING = (
    began(),
    stood(0, "so", WHY[0][1]),
    stood(1, "checking"),
    asked("answer", 1, "two disks have 10 GiB and no serial: which one is opt?",
          {"sdb": "QEMU HARDDISK, 10 GiB, blank", "sdc": "QEMU HARDDISK, 10 GiB, blank"}),
)  # fmt: skip
DONE_WORDS = ended("done", "done, and verified")
DONE = (
    *FORMATTED,
    *(stood(step, "done", "it is so", at=400) for step in (4, 5, 6)),
    ended("done", "done, and verified"),
)
ELSEWHERE = (
    FlowBegan("", FLOW, "", (), False, START + 300),
    FlowEnded(
        "", "refused", f"{FLOW} runs already: process 4711 of anna on home, since 2026-02-13 13:55:00", "", START + 300
    ),
)


def flows(*events: FlowEvent, state: RunStatus | None = None, last: LastRun | None = LAST) -> Stage:
    """The estate is well, the flows are known, and a run has come as far as its events tell."""
    stage = calm()
    stage.seen = seen(state, last)
    stage.run = folded(*events) if events else None
    stage.opening = (*stage.opening, FlowsChecked(START))
    return stage
