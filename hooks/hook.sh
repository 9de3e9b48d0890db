#!/bin/sh
# catflap shim: tells what git just did to the work packages under kitty-specs/. `catflap uninstall` takes it away.
# It never blocks git and never fails: catflap gone, disabled or not asked for here, and it does nothing.

name=@NAME@
python=@PYTHON@
entry=@ENTRY@
modules=@MODULES@
home=${SPEC_KITTY_HOME:-@HOME@}

# Your own hook runs first, with the same arguments, stdin and environment; its exit status is what git sees.
status=0
kept="${0%/*}/$name.catflap-kept"
if [ -x "$kept" ]; then
  "$kept" "$@"
  status=$?
fi

[ "${CATFLAP_DISABLE:-0}" = 0 ] && [ -x "$python" ] && [ -f "$entry" ] || exit $status

# One question to git (1.4 ms): which view is this, and is kitty-specs/ still the tree that was observed last?
answer=$(git rev-parse --path-format=absolute --git-dir --git-common-dir HEAD:kitty-specs 2>/dev/null)
newline='
'
git_dir=${answer%%"$newline"*}
answer=${answer#*"$newline"}
common_dir=${answer%%"$newline"*}
tree=${answer#*"$newline"}
[ -e "$home/seen$common_dir/registered" ] || exit $status
seen=
{ IFS= read -r seen <"$home/seen$git_dir/tree"; } 2>/dev/null
[ "$seen" = "$tree" ] && exit $status

# What binds git to this repository must not reach the git that catflap runs.
unset @LOCAL_ENV_VARS@
SPEC_KITTY_HOME="$home" "$python" -I -S "$entry" "$modules" "$name" "$PWD" "$git_dir" "$common_dir" "$tree" "$@" </dev/null
exit $status
