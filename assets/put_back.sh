#!/bin/sh
# Puts files back as they were, and has what reads them read them again. Laid here by cowhand.
#
#   put_back.sh [PATH BEFORE AFTER]… -- [COMMAND WORD…]
#
# BEFORE and AFTER are SHA-256 sums, "-" for no file. A file that is as it was is left alone; one that is as cowhand left
# it gets the version before, which is PATH.previous; any other was changed by somebody else, and stays (status 3). It
# may be run again, and after a change that was only half made. COMMAND is run in any case.
set -u

sum() { # sum PATH: of a plain file; a link is not followed, and a pipe not waited for
  if [ -L "$1" ]; then
    echo link
  elif [ -f "$1" ]; then
    sha256sum <"$1" | cut -d ' ' -f 1
  elif [ -e "$1" ]; then
    echo other
  else
    echo -
  fi
}

again() { # again FILE NEW SUM: makes NEW as FILE is; in a folder that a container writes in, too, nobody's link is followed
  umask 077
  rm -f -- "$2"
  set -C
  exec 8<"$1" 9>"$2" || return
  set +C
  cat <&8 >&9 && [ "$(sha256sum </proc/self/fd/9 | cut -d ' ' -f 1)" = "$3" ] &&
    chown "$(stat -L -c %u:%g /proc/self/fd/8)" /proc/self/fd/9 &&
    chmod "$(stat -L -c %a /proc/self/fd/8)" /proc/self/fd/9 && { sync /proc/self/fd/9 2>/dev/null || sync; } &&
    [ "$(stat -c %d:%i -- "$2")" = "$(stat -L -c %d:%i /proc/self/fd/9)" ]
}

put_back() { # put_back PATH BEFORE AFTER
  rm -f -- "$1.cowhand-candidate" "$1.cowhand-candidate.previous"
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
  (again "$1.previous" "$1.cowhand-back" "$2") || return 5
  mv -f -T -- "$1.cowhand-back" "$1"
}

wrong=0
while [ $# -gt 0 ] && [ "$1" != -- ]; do
  put_back "$1" "$2" "$3" || wrong=$?
  shift 3
done
shift
[ $# = 0 ] || "$@" || wrong=$?
exit "$wrong"
