#!/usr/bin/env bash
# The demo: Torino's four customers on the embedded cloud. Never touches a real one.
set -euo pipefail
cd "$(dirname "$0")"
unset ONE_XMLRPC ONE_AUTH
export FARMCTL_SITE="$PWD/site.yaml"

say() { printf '\n\033[1m$ %s\033[0m\n' "$*"; }
run() { say "$@"; "$@"; }

began=$SECONDS
run farmctl cloud start
run farmctl validate site.yaml alice-wn.yaml taf.yaml m5l.yaml sandbox.yaml
run farmctl plan alice-wn.yaml || [ $? = 3 ]
run farmctl apply --yes alice-wn.yaml taf.yaml m5l.yaml sandbox.yaml
run farmctl status
run farmctl status alice-wn
say "farmctl apply --yes alice-wn.yaml taf.yaml m5l.yaml sandbox.yaml   # again: changes nothing"
farmctl apply --yes alice-wn.yaml taf.yaml m5l.yaml sandbox.yaml

cat <<END

That took $((SECONDS - began)) s. The embedded cloud goes on running. To look round:

  source .venv/bin/activate
  export FARMCTL_SITE=inventories/examples/site.yaml
  farmctl status --watch                 the farms and their nodes
  farmctl explain alice-wn               why it is as it is
  farmctl scale alice-wn wn 42           two more workers
  farmctl plan inventories/examples/taf.yaml
  farmctl cloud status                   the cloud below, and how other tools reach it

To end it:

  farmctl destroy sandbox                one farm, without a trace
  farmctl cloud reset                    stop the cloud and forget all of it
END
