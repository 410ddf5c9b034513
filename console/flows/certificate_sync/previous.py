"""A pair that could not be brought everywhere is taken back everywhere: HAProxy and Mailcow serve one certificate.

The hook and the deploy script each put back what they could not prove. What they cannot know is that the other one
failed: then one side serves the new pair, and the other the pair from before."""

from __future__ import annotations

from msgspec.structs import replace

from console.errors import CowhandError
from console.flows import Change, NotYetKnown, Plan, Run, StepContext
from console.flows.certificate_sync.commands import OTHERS, TOLD
from console.flows.certificate_sync.ground import DEPLOY, LOOK, Ground, ground
from console.flows.certificate_sync.steps import Push
from console.runner.executor import Failed
from console.sources import certificate_push

ARCHIVE = "/etc/letsencrypt/archive"

MAIL = """\
set -eu
cert=$1 leaf=$2 script=$3 folder=$4 name=$5
told=$(openssl x509 -noout -fingerprint -sha256 -in "$cert" | sed 's/.*=//; s/://g' | tr A-F a-f)
[ "$told" = "$leaf" ] || { echo "Mailcow has another pair than the new one: it is left as it is"; exit 0; }
exec "$script" --folder "$folder" --restore "$name"
"""
"""Puts Mailcow's pair from before back, when the new one is what it has."""

PROXY = (
    f"""\
set -eu
umask 077
{TOLD}{OTHERS}"""
    + """\
leaf=$1 archive=$2 config=$3
shift 3
last=0
for each in "$archive"/fullchain*.pem; do
  number=${each##*/fullchain}
  number=${number%.pem}
  case $number in *[!0-9]* | '') continue ;; esac
  [ "$number" -gt "$last" ] && [ "$(told "$each")" != "$leaf" ] || continue
  last=$number
done
chain=$archive/fullchain$last.pem key=$archive/privkey$last.pem
[ "$last" -gt 0 ] && [ -r "$key" ] || { echo "HAProxy keeps what it has: certbot has no pair from before" >&2; exit 3; }
openssl x509 -noout -checkend 86400 -in "$chain" >/dev/null ||
  { echo "HAProxy keeps what it has: the pair from before is at its end" >&2; exit 3; }
moved=
tidy() {
  for each do
    old=${each%/*}/.cowhand/${each##*/}.before
    [ -z "$moved" ] || [ ! -e "$old" ] || mv -f -- "$old" "$each"
  done
  for each do rm -rf -- "${each%/*}/.cowhand"; done
}
for each do
  ! others "${each%/*}" || { echo "HAProxy keeps what it has: others can change ${each%/*}" >&2; exit 3; }
done
tidy "$@"
trap 'tidy "$@"' EXIT
for each do
  [ "$(told "$each")" = "$leaf" ] || { echo "$each has another pair than the new one: it is left as it is"; continue; }
  beside=${each%/*}/.cowhand
  mkdir -p -- "$beside"
  cat -- "$chain" "$key" >"$beside/${each##*/}"
  chown --reference="$each" -- "$beside/${each##*/}"
  chmod --reference="$each" -- "$beside/${each##*/}"
  cp -p -- "$each" "$beside/${each##*/}.before"
done
moved=yes
for each do
  [ ! -e "${each%/*}/.cowhand/${each##*/}" ] || mv -f -- "${each%/*}/.cowhand/${each##*/}" "$each"
done
haproxy -c -f "$config" >/dev/null 2>&1 && systemctl reload haproxy ||
  { echo "HAProxy does not take the pair from before: it keeps what it had" >&2; exit 3; }
moved=
"""
)
"""Puts the newest pair of certbot's archive that is not the new one into HAProxy's bundles that have the new one."""


class TakenBack(CowhandError):
    """A push failed, and what there was before was put back, as far as it says."""


class Pushed(Push):
    """What certbot's own run of the hook did not bring there is pushed now; what fails is taken back on both sides."""

    keeps = False  # certbot's archive has the pair from before

    async def plan(self, context: StepContext) -> Plan:
        """As certificate-sync pushes; then the pair from before, for a push that fails."""
        if context.expects("renew"):
            raise NotYetKnown("certbot's hook pushes it; what did not arrive is pushed then")
        plan, back = await super().plan(context), taking_back(await ground(context))
        note = "if the push fails, the pair from before is put back on both, where it is still good"
        return Plan((*plan.actions, *back), (*plan.notes, note), undo=plan.undo)

    async def apply(self, change: Change, plan: Plan) -> None:
        """Push; where the hook has written down that it failed, put the pair from before back."""
        back = [each for each in plan.actions if isinstance(each, Run) and each.rescue]
        *first, hook = [each for each in plan.actions if each not in back]
        before = await _written(change.context)
        try:
            for action in first:
                await change.do(action)
        except Failed as error:
            if not _failed(before[0]):  # certbot's own run of the hook is what may have failed on one side
                raise
            told = [str(error)]
        else:
            try:
                await change.do(hook)
            except Failed as error:
                change.context.invalidate()
                now = await _written(change.context)
                if now == before or not _failed(now[0]):  # it may still run: a lost link proves no failure
                    raise
                told = [str(error)]
            else:
                return
        for action in back:
            who = "Mailcow" if action.host == "mail" else "HAProxy"
            try:
                await change.do(action)
                told.append(f"{who} does not have the new pair")
            except Failed as error:
                told.append(f"{who} may have the new pair: {error}")
        raise TakenBack("; ".join(told))

    async def undo(self, context: StepContext) -> Plan | None:
        """The pair from before on the mail host, as after certificate-sync, and on the proxy."""
        plan = await super().undo(context)
        proxy = on_proxy(await ground(context))
        return Plan((*plan.actions, *([proxy] if proxy else []))) if plan else None


def _failed(text: str) -> bool:
    """Whether the hook has ended, and written down that it failed."""
    try:
        return certificate_push.read(text).result == "failed"
    except ValueError:
        return False


async def _written(context: StepContext) -> tuple[str, str]:
    """What the hook wrote down last, and when to the nanosecond: two pushes in one second may say the same."""
    said = await context.host("proxy").run(["stat", "-L", "-c", "%z", "--", certificate_push.STATE], LOOK)
    return await context.text("proxy", certificate_push.STATE) or "", said.stdout.decode("ascii", "replace")


def taking_back(found: Ground) -> tuple[Run, ...]:
    """What is done only where a push failed."""
    runs = (on_mail(found), on_proxy(found))
    return tuple(replace(run, rescue=True) for run in runs if run is not None)


def on_mail(found: Ground) -> Run:
    """Put Mailcow's pair from before back."""
    cert = f"{found.folder}/data/assets/ssl/cert.pem"
    return Run("mail", ("sh", "-c", MAIL, "sh", cert, found.leaf, DEPLOY, found.folder, found.name), 180.0,
               undo=("true",))  # fmt: skip


def on_proxy(found: Ground) -> Run | None:
    """Put HAProxy's pair from before back; None where HAProxy has no file of its own."""
    if not found.bundles:
        return None
    archive = f"{ARCHIVE}/{found.name}"
    words = ("sh", "-c", PROXY, "sh", found.leaf, archive, "/etc/haproxy/haproxy.cfg", *found.bundles)
    return Run("proxy", words, 180.0, undo=("true",))
