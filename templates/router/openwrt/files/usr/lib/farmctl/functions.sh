#!/bin/sh
# What farmctl's scripts in the router image share. For ash: no bash, no blkid.
#
# FARMCTL_ROOT puts all that is read and written below another folder.
# shellcheck disable=SC2034 # used by those who read this file

root=${FARMCTL_ROOT-}
config=$root/etc/config
state=$root/etc/farmctl # outlives a reboot
run=$root/tmp/farmctl   # does not

# The files of /etc/config that farmctl brings; no other is taken. (In small letters: a
# context's variables are in capitals, and FILES is one of OpenNebula's.)
ours='network dhcp firewall system dropbear uhttpd prometheus-node-exporter-lua'

say() {
    logger -t farmctl -- "$*" 2>/dev/null
    echo "farmctl: $*" >&2
}

# decode: base64 from standard input to standard output. OpenWrt's busybox has no
# base64; ucode is there because the firewall needs it.
decode() {
    if command -v base64 >/dev/null 2>&1; then
        base64 -d
    else
        ucode -e 'import { stdin, stdout } from "fs"; let text = b64dec(trim(stdin.read("all"))); if (text == null) exit(1); stdout.write(text);'
    fi
}

checksum() {
    sha256sum | cut -c 1-64
}

# is_context DEVICE: an ISO 9660 volume with the label CONTEXT.
is_context() {
    [ "$(dd if="$1" bs=1 skip=32769 count=5 2>/dev/null)" = CD001 ] || return 1
    [ "$(dd if="$1" bs=1 skip=32808 count=32 2>/dev/null | sed 's/ *$//')" = CONTEXT ]
}

# find_context: prints the device of the context.
find_context() {
    for block in "$root"/sys/class/block/*; do
        [ -e "$block" ] || continue
        device=$root/dev/${block##*/}
        case ${block##*/} in
            loop* | ram* | zram* | mtd*) continue ;;
        esac
        if [ -r "$device" ] && is_context "$device"; then
            echo "$device"
            return 0
        fi
    done
    return 1
}

# take_context: puts context.sh and token.txt into $run, for root's eyes only. A
# container has its context in /context; a VM has it on a volume.
take_context() {
    mkdir -p "$run"
    chmod 700 "$run"
    if [ -f "$root/context/context.sh" ]; then
        copy_context "$root/context"
        return
    fi
    device=$(find_context) || return 1
    mkdir -p "$run/volume"
    mount -t iso9660 -o ro "$device" "$run/volume" || return 1
    copy_context "$run/volume"
    found=$?
    umount "$run/volume"
    return $found
}

copy_context() (
    umask 077
    for file in context.sh token.txt; do
        if [ -f "$1/$file" ]; then
            cp "$1/$file" "$run/$file" || exit 1
        fi
    done
    [ -f "$run/context.sh" ]
)

# load_context: the variables of the context, as those of the shell. OpenNebula writes
# KEY='value' with every ' as '\'', which is what a shell reads.
load_context() {
    [ -f "$run/context.sh" ] || return 1
    # shellcheck source=/dev/null
    . "$run/context.sh"
}

# device_of MAC: the device that has it; never a bridge, which has that of a port.
device_of() {
    wanted=$(printf '%s' "$1" | tr 'A-F' 'a-f')
    for each in "$root"/sys/class/net/*; do
        if [ ! -f "$each/address" ] || [ -d "$each/bridge" ]; then
            continue
        fi
        if [ "$(tr 'A-F' 'a-f' <"$each/address")" = "$wanted" ]; then
            echo "${each##*/}"
            return 0
        fi
    done
    return 1
}

# in_uci FOLDER ARGUMENTS: uci on a folder, without the changes that somebody in LuCI has
# not saved yet.
in_uci() {
    folder=$1
    shift
    uci -q -t "$run/delta" -c "$folder" "$@"
}

# place FOLDER: puts into FOLDER/network what only this machine knows: which device has
# which MAC and, with `addresses` as second word, the public address that OpenNebula
# chose. The interface with the router's own address in the farm is `lan`.
place() {
    own=$(in_uci "$1" get network.lan.ipaddr) || return 1
    number=0 mac='' address='' mask='' gateway='' servers=''
    while [ "$number" -lt 8 ]; do
        eval "mac=\${ETH${number}_MAC-} address=\${ETH${number}_IP-} \
            mask=\${ETH${number}_MASK-} gateway=\${ETH${number}_GATEWAY-} \
            servers=\${ETH${number}_DNS-}"
        number=$((number + 1))
        [ -n "$mac" ] || continue
        device=$(device_of "$mac") || {
            say "no interface has the MAC $mac"
            continue
        }
        zone=wan
        [ "$address" != "$own" ] || zone=lan
        in_uci "$1" get "network.$zone" >/dev/null || continue
        in_uci "$1" set "network.$zone.device=$device"
        in_uci "$1" set "network.device_$zone.name=$device"
        if [ "$zone" = wan ] && [ "${2-}" = addresses ] && [ -n "$address" ]; then
            in_uci "$1" set network.wan.proto=static
            in_uci "$1" set "network.wan.ipaddr=$address"
            in_uci "$1" set "network.wan.netmask=${mask:-255.255.255.0}"
            in_uci "$1" delete network.wan.gateway
            [ -z "$gateway" ] || in_uci "$1" set "network.wan.gateway=$gateway"
            in_uci "$1" delete network.wan.dns
            for server in $servers; do
                in_uci "$1" add_list "network.wan.dns=$server"
            done
        fi
    done
    in_uci "$1" commit network
}
