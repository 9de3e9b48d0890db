#!/bin/sh
# catflap shim: tells what git just did to the work packages under kitty-specs/. `catflap uninstall` takes it away.
# It never blocks git and never fails: catflap gone, disabled or not asked for here, and it does nothing.

# Your own hook runs first, with the same arguments, stdin and environment; its exit status is what git sees.
# One for sh is read in, so that $0 too is what it was: husky's stubs find their files by it.
catflap_status=0
catflap_kept=${0%/*}/@NAME@.catflap-kept
if [ -x "$catflap_kept" ]; then
  IFS= read -r catflap_line <"$catflap_kept"
  case $catflap_line in
    '#!/bin/sh' | '#!/usr/bin/env sh') (. "$catflap_kept") ;;
    *) "$catflap_kept" "$@" ;;
  esac
  catflap_status=$?
fi

python=@PYTHON@
entry=@ENTRY@
modules=@MODULES@
[ "${CATFLAP_DISABLE:-0}" = 0 ] && [ -x "$python" ] && [ -f "$entry" ] || exit $catflap_status
home=${SPEC_KITTY_HOME:-@HOME@}
case $home in "~/"*) home=$HOME/${home#"~/"} ;; esac

# One question to git (1.4 ms): which view is this, and is kitty-specs/ still the tree that was observed last?
answer=$(git rev-parse --path-format=absolute --git-dir --git-common-dir HEAD:kitty-specs 2>/dev/null)
newline='
'
git_dir=${answer%%"$newline"*}
answer=${answer#*"$newline"}
common_dir=${answer%%"$newline"*}
tree=${answer#*"$newline"}
seen_git=$git_dir seen_common=$common_dir
# Git for Windows names a drive, C:/, and no colon can stand within a path.
case $git_dir in ?:*) seen_git=/${git_dir%%:*}${git_dir#?:} seen_common=/${common_dir%%:*}${common_dir#?:} ;; esac
[ -e "$home/seen$seen_common/registered" ] || exit $catflap_status
seen=
{ IFS= read -r seen <"$home/seen$seen_git/tree"; } 2>/dev/null
[ "$seen" = "$tree" ] && exit $catflap_status

# A watcher that is alive does the work: it gets a note. A pid alone proves nothing, its start time does (proc(5)).
has_started() { [ "${20}" = "$started" ]; }
line=
{ read -r watcher started <"$home/seen$seen_common/watched" && read -r line <"/proc/$watcher/stat"; } 2>/dev/null
if [ -n "$line" ] && has_started ${line##*) }; then
  # Not `:`, a special builtin: where the folder is not there yet, its redirection would end this shell (POSIX, 2.8.1).
  { true >"$home/seen$seen_git/note"; } 2>/dev/null && exit $catflap_status
fi

# What binds git to this repository must not reach the git that catflap runs.
unset @LOCAL_ENV_VARS@
SPEC_KITTY_HOME="$home" "$python" -I -S "$entry" "$modules" @NAME@ "$PWD" "$git_dir" "$common_dir" "$tree" "$@" </dev/null
exit $catflap_status
