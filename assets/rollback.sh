#!/bin/sh
# Timed rollback: takes a change on this host back by itself, unless it was proven in time. Laid here by cowhand.
#
#   arm NAME SECONDS [after WHOM HOLD COUNT WORD…] -- WORD…   take back after SECONDS, by the command after --
#   under NAME WORD…  run a command of the change, unless NAME is not armed any more (status 75)
#   disarm NAME     keep the change; status 4 when it is being taken back, or was
#   state [NAME]    none | armed LEFT [after WHOM] | unwatched LEFT [after WHOM] | firing | fired | failed STATUS | kept
#   fire NAME       take back now
#   wait NAME       what the watchdog does: look every second until NAME is settled
#   once NAME       look once, as the watchdog does
#   resume          start the watchdogs again, after a restart of the host
#   ways            how a watchdog can be run here: systemd | process cron | process at | process | none
#
# "unwatched": it is armed, LEFT seconds are left, but its watchdog is gone: the host was restarted, and nothing starts
# it again. "after": when time is up a command (COUNT words) is asked what has become of the host WHOM. 0, for HOLD
# seconds in a row: it keeps its change, so this one is kept too. 1: it does not, so this one is taken back. Anything
# else: nobody can tell yet, so it is asked again.
# The command that takes back must stand being run again, for a restart can cut it off. Before it is run, what still
# runs "under" NAME is ended.
#
# Where NAME stands is the name of one file in its folder: armed, firing.PID, kept, fired or failed. Renaming that file
# is the only way from one to the next, so of a disarm and a fire exactly one wins, however either of them ends.
# Only POSIX sh and the tools of busybox are needed. All paths are below what stands before /var/lib of this file's own
# path: nothing on a host, a folder in tests.
set -u
umask 077
grace=15    # seconds after a restart of the host in which its services and its network come up
pause=3     # seconds between two questions what has become of the other host
patience=20 # seconds one answer may take
store=${0%/*}
root=${store%/var/lib/cowhand/rollback}
LC_ALL=C
PATH=$PATH:$root/usr/local/sbin:$root/usr/local/bin:$root/usr/sbin:$root/usr/bin:$root/sbin:$root/bin
export LC_ALL PATH
unit=cowhand-rollback@
cron=$root/etc/cron.d/cowhand-rollback

fail() { # fail STATUS WORDS
  printf '%s\n' "$2" >&2
  exit "$1"
}

choose() { # choose NAME: sets name and dir
  case $1 in
  '' | [.-]* | *[!A-Za-z0-9_.-]*) fail 2 "not a name of a rollback: $1" ;;
  esac
  name=$1 dir=$store/$1
}

quoted() { # quoted WORD…: prints the words so that sh reads exactly these again
  for word; do
    printf '%s\n' "$word" | sed "s/'/'\\\\''/g; 1s/^/'/; \$s/\$/' \\\\/"
  done
}

command_of() { # makes a script that becomes the command of the quoted words it is given
  echo "exec \\"
  cat
  echo ' '
}

settled() { # what was renamed or written has reached the disk
  sync "$@" 2>/dev/null || sync
}

uptime() { # sets up: seconds since the host was started, time asleep included
  read -r up _ <"$root/proc/uptime" || fail 5 "$root/proc/uptime cannot be read"
  up=${up%.*}
}

token() { # sets token: the file that says where it stands, "" for none
  for _ in 1 2 3; do # it may be renamed while it is looked for
    for token in armed firing kept fired failed; do
      if [ "$token" = firing ]; then
        for each in "$dir"/firing.*; do
          token=${each##*/}
          [ ! -e "$each" ] || return 0
        done
      elif [ -e "$dir/$token" ]; then
        return 0
      fi
    done
    token=
    [ -d "$dir" ] || return 0
  done
}

deadline() { # sets left: seconds until time is up; after a restart of the host it counts again, from the grace
  uptime
  boot='' due=''
  [ ! -r "$dir/clock" ] || read -r boot due <"$dir/clock"
  read -r now <"$root/proc/sys/kernel/random/boot_id" || now=$boot
  if [ "$boot" != "$now" ] || [ -z "$due" ]; then
    due=$((up + grace))
    [ "${1-}" = look ] || {
      [ ! -e "$dir/seen" ] || : >"$dir/seen"
      # where no file can be made the old one is written over
      { echo "$now $due" >"$dir/clock.$$" && settled "$dir/clock.$$" && mv -f "$dir/clock.$$" "$dir/clock"; } 2>/dev/null ||
        echo "$now $due" >"$dir/clock"
    }
  fi
  left=$((due - up))
  [ "$left" -ge 0 ] || left=0
}

begun() { # begun STATUS: sets user to who has begun the process of that file in /proc, "" for one of a container
  user='' field='' first='' rest=''
  while read -r field first rest; do
    case $field in
    Uid:) user=$first ;;
    NStgid:) # a second number is that in a namespace of its own: a container's root is 0, too
      [ -z "$rest" ] || user=''
      return
      ;;
    esac
  done 2>/dev/null <"$1"
}

ours() { # ours PID: whether root or this user has begun that process; anybody can have one with any words
  begun "/proc/$1/status"
  [ -n "$user" ] && { [ "$user" = 0 ] || [ "$user" = "$(id -u)" ]; }
}

lives() { # lives PID: whether that process is another one of this script, and about NAME
  [ "$1" != $$ ] && [ -r "/proc/$1/cmdline" ] && ours "$1" || return 1
  case " $(tr '\0' ' ' <"/proc/$1/cmdline" 2>/dev/null)" in
  *" $0 "*" $name "*) return 0 ;;
  *) return 1 ;;
  esac
}

watched() {
  [ -r "$dir/pid" ] && read -r pid <"$dir/pid" && lives "$pid"
}

show() { # prints the state
  token
  case $token in
  '') echo none ;;
  armed)
    word=armed
    watched || word=unwatched
    deadline look
    whom=''
    [ ! -r "$dir/whom" ] || read -r whom <"$dir/whom"
    echo "$word $left${whom:+ after $whom}"
    ;;
  firing.*) echo firing ;;
  failed)
    status=
    read -r status <"$dir/failed"
    echo "failed ${status:-1}"
    ;;
  *) echo "$token" ;;
  esac
}

# ── a watchdog ───────────────────────────────────────────────────────────────────────────────────────────────────────

runs() { # runs NAME…: whether a process of one of these names is root's: anybody can call one so
  for wanted; do
    for each in $(grep -lsxF "$wanted" "$root"/proc/[0-9]*/comm); do
      begun "${each%comm}status"
      [ "$user" != 0 ] || return 0
    done
  done
  return 1
}

ways() {
  if [ -d "$root/run/systemd/system" ] && command -v systemctl >/dev/null; then
    echo systemd
  elif ! command -v setsid >/dev/null; then
    echo none
  elif [ -d "$root/etc/cron.d" ] && runs cron crond; then
    echo process cron
  elif command -v at >/dev/null && runs atd; then
    echo process at
  else
    echo process
  fi
}

template() {
  cat <<EOU
[Unit]
Description=cowhand: takes back %i unless it is proven in time
CollectMode=inactive-or-failed
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart=/bin/sh $0 wait %i
Restart=on-failure
RestartSec=1

[Install]
WantedBy=multi-user.target
EOU
}

install() { # install FILE: writes what it is given, open to readers, as a whole
  cat >"$1.$$" && chmod 644 "$1.$$" && settled "$1.$$" && mv -f "$1.$$" "$1"
}

start() { # starts a watchdog that outlives its caller
  way=$(ways)
  case $way in
  systemd)
    file=$root/etc/systemd/system/$unit.service
    if [ "$(cat "$file" 2>/dev/null)" != "$(template)" ]; then
      template | install "$file" && systemctl daemon-reload || return 1
    fi
    systemctl --quiet enable "$unit$name.service" && systemctl start "$unit$name.service"
    return
    ;;
  'process cron')
    [ -e "$cron" ] || printf '%s\n%s\n' '# cowhand: what was armed before a restart is taken back after it' \
      "@reboot root /bin/sh $0 resume" | install "$cron" || return 1
    ;;
  'process at') echo "/bin/sh '$0' wait '$name'" | at now + "$((seconds / 60 + 2))" minutes 2>/dev/null || return 1 ;;
  esac
  detach
}

detach() { # a process of its own session that belongs to no command of the console's
  (
    unset COWHAND_ACTION COWHAND_GUARD # it is no part of the change
    cd / && exec setsid sh "$0" wait "$name" </dev/null >/dev/null 2>&1
  ) &
}

nap() { # between two of the tries
  if [ "$tries" -le 10 ]; then sleep 0.02; else sleep 0.1; fi 2>/dev/null || sleep 1
}

await_watchdog() {
  tries=0
  until watched; do
    tries=$((tries + 1))
    [ "$tries" -le 100 ] || return 1
    nap
  done
}

leave() { # a settled rollback leaves nothing behind that a restart would run
  if [ -L "$root/etc/systemd/system/multi-user.target.wants/$unit$name.service" ]; then
    systemctl --quiet disable "$unit$name.service" 2>/dev/null
  fi
  [ -e "$cron" ] || return 0
  for each in "$store"/*/armed "$store"/*/firing.*; do
    [ ! -e "$each" ] || return 0
  done
  rm -f "$cron"
}

# ── arming and disarming ─────────────────────────────────────────────────────────────────────────────────────────────

arm() { # arm SECONDS [after WHOM HOLD COUNT WORD…] -- WORD…
  seconds=$1
  shift
  case $seconds in '' | *[!0-9]*) fail 2 "not a number of seconds: $seconds" ;; esac
  token
  case $token in armed | firing.*) fail 3 "$name is armed already" ;; esac
  chmod 700 "$store" || fail 5 "$store is not ours"
  way=$(ways)
  [ "$way" != none ] || fail 3 'neither systemd nor setsid is here: nothing can take a change back by itself'
  [ "$way" != systemd ] || systemctl stop "$unit$name.service" 2>/dev/null
  rm -rf "$store/.new.$name."*
  new=$store/.new.$name.$$
  mkdir "$new" || fail 5 "$new cannot be made"
  if [ "$1" = after ]; then
    [ $# -gt 4 ] || fail 2 'after WHOM HOLD COUNT WORD…'
    printf '%s\n' "$2" >"$new/whom"
    echo "$3" >"$new/hold"
    count=$4
    shift 4
    while [ "$count" -gt 0 ] && [ $# -gt 0 ]; do
      quoted "$1"
      count=$((count - 1))
      shift
    done >"$new/words"
    command_of <"$new/words" >"$new/ask"
    rm -f "$new/words"
    : >"$new/answer" && : >"$new/seen"
  fi
  [ "${1-}" = -- ] || fail 2 'no command that takes the change back'
  shift
  uptime
  read -r boot <"$root/proc/sys/kernel/random/boot_id" || fail 5 'the id of this start of the host cannot be read'
  # what is needed later is made now: by then a user may have taken the last file that the disk has room for
  if ! { quoted "$@" | command_of >"$new/back" && echo "$boot $((up + seconds))" >"$new/clock" &&
    : >"$new/armed" && : >"$new/output" && settled "$new"/* "$new"; }; then
    fail 5 "$new cannot be written"
  fi
  rm -rf "$dir"
  mv -f "$new" "$dir" || fail 5 "$dir cannot be written"
  [ ! -e "$dir/${new##*/}" ] || { rm -rf "${dir:?}/${new##*/}"; fail 3 "$name was armed by somebody else just now"; }
  settled "$store"
  if ! { start && await_watchdog; }; then
    mv -f "$dir/armed" "$dir/kept"
    leave
    fail 5 "$name was not armed: its watchdog did not start"
  fi
}

under() { # under WORD…: it can be found by its environment and ended before it is looked whether it may begin
  if [ "${COWHAND_GUARD-}" != "$dir" ]; then
    COWHAND_GUARD=$dir
    export COWHAND_GUARD
    exec sh "$0" under "$name" "$@"
  fi
  token
  [ "$token" = armed ] || fail 75 "$name is not armed any more: this was not begun"
  exec "$@"
}

keep() { # status 0 when this was what kept it
  mv -f "$dir/armed" "$dir/kept" 2>/dev/null || return 1
  settled "$dir"
}

disarm() {
  keep && return
  token
  case $token in
  kept) ;;
  '') fail 3 "$name is not armed" ;;
  armed) fail 5 "$name cannot be disarmed: $dir cannot be written" ;;
  *) fail 4 "$name was not disarmed: it $(lost)" ;;
  esac
}

lost() {
  case $token in
  firing.*) echo 'is being taken back' ;;
  fired) echo 'was taken back' ;;
  *) echo 'was to be taken back, and that failed' ;;
  esac
}

# ── taking back ──────────────────────────────────────────────────────────────────────────────────────────────────────

take() { # take TOKEN: status 1 when another was faster
  [ "$1" = "firing.$$" ] || mv -f "$dir/$1" "$dir/firing.$$" 2>/dev/null || return 1
  settled "$dir"
  told=$dir/output
  [ -w "$told" ] || told=/dev/null
  end "COWHAND_GUARD=$dir" # a command of the change that still runs would change it again afterwards
  (
    umask 022
    cd / && exec sh "$dir/back"
  ) </dev/null >"$told" 2>&1
  status=$?
  if [ "$status" = 0 ]; then
    mv -f "$dir/firing.$$" "$dir/fired"
  else
    echo "$status" >"$dir/firing.$$"
    mv -f "$dir/firing.$$" "$dir/failed"
  fi
  settled "$dir"
}

end() { # end VARIABLE=VALUE: ends every process of root or this user that has this in its environment
  # Another user's is not even read: they can have a read of it wait for ever, and their number be another's by now.
  wanted=$1
  set --
  for each in /proc/[0-9]*; do
    ! ours "${each#/proc/}" || set -- "$@" "$each/environ"
  done
  # shellcheck disable=SC2013 # paths without blanks
  for each in $(grep -alszxF -- "$wanted" "$@"); do
    each=${each#/proc/}
    kill -KILL "${each%/environ}" 2>/dev/null
  done
}

ask() { # sets answer to what the question ends with, 99 when it takes too long
  file=$dir/answer mine=$$.$up
  { true >"$file"; } 2>/dev/null # the answer before may bear the same name: the clock can stand still
  (
    (
      umask 022
      cd / && COWHAND_ASKED=$name.$$ sh "$dir/ask" </dev/null >/dev/null 2>&1
    )
    echo "$mine $? end" >"$file"
  ) 2>/dev/null &
  tries=0
  until answered || [ "$tries" -ge "$((patience * 10))" ]; do
    tries=$((tries + 1))
    nap
  done
  answered || end "COWHAND_ASKED=$name.$$"
  wait
  answered || answer=99
}

answered() { # whether the file has the whole answer to this question; sets answer
  whose='' answer='' last=''
  [ ! -r "$file" ] || read -r whose answer last <"$file"
  [ "$whose $last" = "$mine end" ]
}

held() { # whether the answer was 0 for long enough, without a gap in which nobody asked
  first='' last=''
  [ ! -r "$dir/seen" ] || read -r first last <"$dir/seen"
  if [ -z "$last" ] || [ "$last" -gt "$up" ] || [ "$((up - last))" -gt "$((patience + 2 * pause))" ]; then
    first=$up
  fi
  echo "$first $up" >"$dir/seen"
  read -r hold <"$dir/hold"
  [ "$((up - first))" -ge "$hold" ]
}

once() { # one look; sets next to the seconds until the next one, "" when there is no more to do
  next=1
  token
  case $token in
  armed) deadline && [ "$left" = 0 ] || return 0 ;;
  firing.*)
    lives "${token#firing.}" || take "$token"
    return 0
    ;;
  *)
    next=
    return 0
    ;;
  esac
  if [ -e "$dir/ask" ]; then
    ask
    uptime
    next=$pause
    case $answer in
    0) ! held || keep ;;
    1) take armed ;;
    *) : >"$dir/seen" ;;
    esac
  else
    take armed
  fi
  return 0
}

watch() {
  trap '' HUP
  # A shell ends where it cannot fork, as when a container has taken all processes that there can be.
  trap '[ $? != 2 ] || exec sh "$0" wait "$name"' EXIT
  if [ -d "$dir" ]; then
    deadline # after a restart the grace counts from now
    echo $$ >"$dir/pid.$$" && mv -f "$dir/pid.$$" "$dir/pid"
  fi
  once
  while [ -n "$next" ]; do
    sleep "$next"
    once
  done
  leave
}

fire() {
  tries=0
  while :; do
    token
    case $token in
    armed | failed) take "$token" ;;
    firing.*)
      lives "${token#firing.}" || take "$token"
      token
      case $token in firing.*) tries=$((tries + 1)) && nap ;; esac
      ;;
    fired) return ;;
    *) fail 3 "$name is not armed: nothing was taken back" ;;
    esac
    token
    [ "$token" != failed ] || { tail -n 5 "$dir/output" >&2; fail 1 "taking back $name failed"; }
  done
}

resume() {
  for dir in "$store"/*/; do
    dir=${dir%/} name=${dir##*/}
    [ -d "$dir" ] || continue
    token
    case $token in armed | firing.*) watched || detach ;; esac
  done
}

[ "$root" != "$store" ] || fail 2 'this script works where cowhand laid it: /var/lib/cowhand/rollback/rollback.sh'
verb=${1-}
[ $# = 0 ] || shift
case $verb in
state)
  if [ $# -gt 0 ]; then
    choose "$1"
    show
  else
    for dir in "$store"/*/; do
      dir=${dir%/} name=${dir##*/}
      [ ! -d "$dir" ] || printf '%s %s\n' "$name" "$(show)"
    done
  fi
  ;;
ways) ways ;;
resume) resume ;;
arm | under | disarm | fire | wait | once)
  choose "${1-}"
  shift
  case $verb in
  wait) watch ;;
  arm)
    [ $# -ge 3 ] || fail 2 'arm NAME SECONDS -- COMMAND'
    arm "$@"
    ;;
  under) under "$@" ;;
  *) "$verb" ;;
  esac
  ;;
*) fail 2 'a verb: arm, under, disarm, state, fire, wait, once, resume or ways' ;;
esac
