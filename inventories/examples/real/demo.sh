#!/usr/bin/env bash
# The demo with real nodes: one batch farm from nothing to jobs, to nothing again. What it
# makes stands in build/demo-real; what it starts ends with it, however it ends.
set -euo pipefail
examples=$(cd "$(dirname "$0")" && pwd)
work=${DEMO_WORK:-$PWD/build/demo-real}

if [ "$(id -u)" != 0 ]; then
  echo "Nodes are made of namespaces and mounts: that takes root. Without it: make demo" >&2
  exit 1
fi
missing=()
for package in debootstrap nftables iproute2 openssh-client; do
  dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  echo "Installing on this machine, with apt-get, what real nodes need: ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >/dev/null
fi

say() { printf '\n\033[1m$ %s\033[0m\n' "$*"; }
run() { say "$@"; "$@"; }

# The network namespaces of this demo's nodes, while they run.
spaces() {
  for word in "$work"/state/farmctl/cloud/nodes/{keeper.json,*/node.json}; do
    pid=$(sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' "$word")
    [ -z "$pid" ] || readlink "/proc/$pid/ns/net"
  done
}

# What is left of them on this machine: processes, namespaces, interfaces, mounts, files.
left() {
  pgrep -f -- "$work/state/" | sed 's/^/process /'
  readlink /proc/[0-9]*/ns/net | sort -u | grep -xFf ours
  ip -br link | sed -n 's/^fctl-cb007100.*/interface &/p'
  findmnt -rn -o TARGET | grep -F "$work"
  find "$work" -path '*/cloud/nodes/*'
} 2>/dev/null

unset ONE_XMLRPC ONE_AUTH
export XDG_STATE_HOME=$work/state FARMCTL_SITE=$work/site.yaml
mkdir -p "$work"
farmctl cloud reset --yes >/dev/null 2>&1 || true
rm -rf "${work:?}"/*
trap 'farmctl cloud reset --yes >/dev/null 2>&1 || true' EXIT

cp "$examples/batch.yaml" "$work"
ssh-keygen -q -t ed25519 -N '' -C demo -f "$work/key"
{
  cat "$examples/site.yaml"
  printf 'admin:\n  addresses: [203.0.113.2/32]\n  ssh_keys: ["%s"]\n' "$(cat "$work/key.pub")"
} >"$work/site.yaml"
cd "$work"

began=$SECONDS
run farmctl cloud start --driver netns
run farmctl apply --yes batch.yaml
spaces >ours
run farmctl status batch
run farmctl ssh batch head srun -N3 hostname
run farmctl check batch
say "sed -i 's/^    - {name: ssh.*/&\n    - {name: metrics, port: 9100, to: head}/' batch.yaml"
sed -i 's/^    - {name: ssh.*/&\n    - {name: metrics, port: 9100, to: head}/' batch.yaml
run farmctl plan batch.yaml || [ $? = 3 ]
run farmctl apply --yes batch.yaml
run farmctl scale --yes batch wn 5
spaces >>ours
run farmctl ssh batch head srun -N5 hostname
run farmctl scale --yes --interrupt batch wn 2
run farmctl ssh batch head sinfo -N -l
run farmctl check batch
run farmctl destroy --yes batch
run farmctl status
run farmctl cloud reset --yes

say "what is left of it on this machine"
for _ in {1..50}; do
  left=$(left || true)
  [ -n "$left" ] || break
  sleep 0.1 # the kernel takes namespaces down in its own time
done
if [ -n "$left" ]; then
  echo "$left"
  exit 1
fi
echo "Nothing."
printf '\nThat took %s s.\n' $((SECONDS - began))
