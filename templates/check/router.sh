#!/bin/sh
# Looks round in a router, for `farmctl check`: sh -s COMMAND FLAVOUR, on standard input.
# Prints a line for each thing that was seen, NAME=VALUE. Changes nothing. For ash too.
command=$1 flavour=$2
PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
export PATH

told() {
    printf '%s=%s\n' "$1" "$(printf '%s' "$2" | tr '\n\t' '  ')"
}

told clock "$(date +%s.%N)"
told status "$("$command" status 2>&1)"
told forwarding "$(cat /proc/sys/net/ipv4/ip_forward)"
told dnsmasq "$(pidof dnsmasq)"
case $flavour in
    openwrt)
        told check "$(fw4 check 2>&1)"
        told rules "$(nft list table inet fw4 2>/dev/null | grep -c policy)"
        told wan "$(ubus call network.interface.wan status 2>/dev/null)"
        told lan "$(uci -q get network.lan.ipaddr)"
        told hosts "$(uci -q show dhcp | grep -c '=host$')"
        told redirects "$(uci -q show firewall | grep -c '=redirect$')"
        ;;
    *)
        told rules "$(nft list table inet farmctl 2>/dev/null | grep -c 'policy drop')"
        told redirects "$(nft list chain inet farmctl inward 2>/dev/null | grep -c 'from inside')"
        told hosts "$(grep -c . /etc/farmctl/router/dhcp-hosts)"
        told lan "$(sed -n 's/^listen-address=//p' /etc/farmctl/router/dnsmasq.conf)"
        ;;
esac
