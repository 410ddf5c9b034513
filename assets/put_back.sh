#!/bin/sh
# Puts files back as they were, and has what reads them read them again. Laid here by cowhand.
#
#   put_back.sh [PATH BEFORE AFTER]… -- [COMMAND WORD…]
#
# BEFORE and AFTER are SHA-256 sums, "-" for no file. A file that is as it was is left alone; one that is as cowhand left
# it gets the version before, which is PATH.previous; any other was changed by somebody else, and stays (status 3). It
# may be run again, and after a change that was only half made. COMMAND is run in any case.
set -u

most=16777216 # bytes of a file: cowhand edits no larger one
limit=
! command -v timeout >/dev/null || limit='timeout -s KILL 60'

# Where a container has the folder too, its root is this root, and may lay a link, or a pipe that nobody writes into, at
# any name that it knows, at any moment: what is read is read for a while only, and kept where no container looks until
# its sum is known to be right; what is made has a name that nobody knows before, for `set -C` opens devices and pipes.

content() { # content PATH: prints it
  $limit head -c "$most" -- "$1" 2>/dev/null
}

sum() { # sum PATH: of a plain file; a link is not followed, and a pipe not waited for
  if [ -L "$1" ]; then
    echo link
  elif [ -f "$1" ]; then
    content "$1" | sha256sum | cut -d ' ' -f 1
  elif [ -e "$1" ]; then
    echo other
  else
    echo -
  fi
}

again() ( # again FILE SUM PLACE: puts what FILE is into PLACE
  umask 077
  read -r fresh </proc/sys/kernel/random/uuid && kept=$(mktemp -d /run/cowhand-back.XXXXXX 2>/dev/null || mktemp -d) ||
    exit
  fresh=$3.cowhand-back.$fresh
  trap 'rm -rf -- "$kept" "$fresh"' EXIT
  content "$1" >"$kept/file"
  [ "$(sum "$kept/file")" = "$2" ] || exit
  set -C
  exec 9>"$fresh" || exit
  set +C
  cat "$kept/file" >&9 && chown "$(stat -c %u:%g -- "$1")" /proc/self/fd/9 &&
    chmod "$(stat -c %a -- "$1")" /proc/self/fd/9 && { sync /proc/self/fd/9 2>/dev/null || sync; } &&
    [ "$(stat -c %d:%i -- "$fresh")" = "$(stat -L -c %d:%i /proc/self/fd/9)" ] && mv -f -T -- "$fresh" "$3"
)

put_back() { # put_back PATH BEFORE AFTER
  rm -f -- "$1.cowhand-candidate" "$1.cowhand-candidate.previous" "$1".cowhand-back* 2>/dev/null
  now=$(sum "$1")
  [ "$now" != "$2" ] || return 0
  if [ "$now" != "$3" ]; then
    echo "$1 was changed by somebody else: it is left as it is" >&2
    return 3
  fi
  if [ "$2" = - ]; then
    rm -f -- "$1"
    return
  fi
  if [ "$(sum "$1.previous")" != "$2" ]; then
    echo "$1.previous is not the file before: $1 is left as it is" >&2
    return 3
  fi
  again "$1.previous" "$2" "$1" && return
  # no room for another file, perhaps: then it is the one from before itself
  [ "$(sum "$1.previous")" = "$2" ] && mv -f -T -- "$1.previous" "$1" || return 5
}

wrong=0
while [ $# -gt 0 ] && [ "$1" != -- ]; do
  put_back "$1" "$2" "$3" || wrong=$?
  shift 3
done
shift
[ $# = 0 ] || "$@" || wrong=$?
exit "$wrong"
