#!/bin/sh
# A newcomer's walk: in a checkout with work packages, from nothing to an event on the board in four commands.
#
#     sh newcomer.sh [PACKAGE]
#
# PACKAGE is what pipx installs: `catflap` when none is named, a wheel, a checkout. `-`: catflap is there already.
set -eu

step() {
  printf '\n$ %s\n' "$*"
  "$@"
}

[ "${1:-catflap}" = - ] || step pipx install "${1:-catflap}"

step catflap install

# The work itself, which is no command: somebody takes up a work package, in an editor or like this.
for wp in kitty-specs/*/tasks/WP01*.md; do
  perl -pi -e 's/^lane: .*/lane: doing/' "$wp"
done

step git commit -a -m "Start WP01"

step catflap board
