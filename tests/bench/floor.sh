#!/usr/bin/env bash
# The floor under real nodes: the same namespaces, overlays, bridges, veths and inits by
# bare commands, all at once; the first is the router, with what it serves. Prints the
# seconds until sshd has answered in each and the router resolves names, then the
# processor seconds of all that, from the file USAGE of the group that this runs in.
#
#   unshare --mount --net --pid --fork --kill-child --mount-proc \
#     bash floor.sh TREE FOLDER COUNT USAGE
set -eu
tree=$1 folder=$2 count=$3 usage=$4

used() {
  case $usage in
    *cpuacct.usage) awk '{ printf "%.3f\n", $1 / 1e9 }' "$usage" ;;
    *cpu.stat) awk '$1 == "usage_usec" { printf "%.3f\n", $2 / 1e6 }' "$usage" ;;
    *) echo 0 ;;
  esac
}
before=$(used)

mount --make-rprivate /
mkdir -p /run/netns
mount -t tmpfs none /run/netns
ip link set lo up
start=$EPOCHREALTIME

ip link add farm type bridge
ip link add public type bridge
ip address add 10.9.0.254/24 dev farm
ip link set farm up
ip link set public up

# What becomes of a node: its own /proc, /sys, /dev and /run, its root, its init.
# shellcheck disable=SC2016 # that shell expands it
inside='
  root=$1
  hostname "$2"
  mount --bind "$root" "$root"
  mount -t proc proc "$root/proc"
  mount -t sysfs -o ro sysfs "$root/sys"
  mount -t tmpfs -o mode=755 tmpfs "$root/dev"
  for device in null zero full random urandom tty; do
    : >"$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
  done
  mkdir "$root/dev/pts" "$root/dev/shm"
  mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
  ln -s pts/ptmx "$root/dev/ptmx"
  mount -t tmpfs tmpfs "$root/run"
  mkdir -p "$root/context" "$root/mnt"
  mount --bind "$root.context" "$root/context"
  cd "$root"
  pivot_root . mnt
  exec chroot . sh -c "umount -l /mnt; exec env -i container=lxc /sbin/init" \
    <dev/null >dev/null 2>&1
'

node() {
  local number=$1 root=$folder/$1
  mkdir -p "$root" "$root.upper" "$root.work" "$root.context"
  cat >"$root.context/context.sh" <<TEXT
NETWORK='YES'
SET_HOSTNAME='floor-$number'
ETH0_MAC='02:00:0a:09:00:$(printf %02x "$number")'
ETH0_IP='10.9.0.$number'
ETH0_MASK='255.255.255.0'
TEXT
  [ "$number" != 1 ] || router "$root.context"
  mount -t overlay -o "lowerdir=$tree,upperdir=$root.upper,workdir=$root.work" \
    overlay "$root"
  ip netns add "$number"
  ip link add "veth$number" type veth peer name eth0 \
    address "02:00:0a:09:00:$(printf %02x "$number")" netns "$number"
  ip link set "veth$number" master farm up
  if [ "$number" = 1 ]; then # the router has a leg outside
    ip link add "leg$number" type veth peer name eth1 netns "$number"
    ip link set "leg$number" master public up
  fi
  ip netns exec "$number" unshare --mount --uts --ipc --pid --fork --kill-child \
    sh -ceu "$inside" sh "$root" "floor-$number" &
  until { exec 3<>"/dev/tcp/10.9.0.$number/22" && read -r -t 1 answer <&3; } 2>/dev/null
  do
    sleep 0.05
  done
  [ "${answer%%-*}" = SSH ]
  if [ "$number" = 1 ]; then
    until { exec 3<>"/dev/tcp/10.9.0.1/53"; } 2>/dev/null; do
      sleep 0.05
    done
  fi
}

# router FOLDER: what the router's context has it serve: names, leases, NAT, the time.
router() {
  cat >"$1/start" <<'TEXT'
#!/bin/sh
set -e
sysctl -q -w net.ipv4.ip_forward=1
nft -f - <<'RULES'
table inet floor {
  chain input {
    type filter hook input priority 0; policy accept;
    ct state established,related accept
  }
  chain forward {
    type filter hook forward priority 0; policy drop;
    ct state established,related accept
    iifname "eth0" oifname "eth1" accept
  }
  chain out {
    type nat hook postrouting priority 100;
    oifname "eth1" masquerade
  }
}
RULES
cat >/etc/floor.conf <<'CONF'
listen-address=10.9.0.1
bind-interfaces
dhcp-range=10.9.0.0,static,255.255.255.0
dhcp-authoritative
local=/floor/
user=root
CONF
dnsmasq -C /etc/floor.conf
service chrony start
TEXT
  echo "START_SCRIPT_BASE64='$(base64 -w 0 "$1/start")'" >>"$1/context.sh"
  rm "$1/start"
}

waiting=()
for number in $(seq "$count"); do
  node "$number" &
  waiting+=($!)
done
for each in "${waiting[@]}"; do
  wait "$each"
done
echo "$EPOCHREALTIME $start" | awk '{ printf "%.3f\n", $1 - $2 }'
echo "$(used) $before" | awk '{ printf "%.3f\n", $1 - $2 }'
