#!/bin/sh
# Looks round in a router, for `farmctl check`: sh -s COMMAND FLAVOUR, on standard input.
# Prints a line for each thing that was seen, NAME=VALUE. Changes nothing. For ash too.
command=$1 flavour=$2
PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
export PATH

told() {
    printf '%s=%s\n' "$1" "$(printf '%s' "$2" | tr '\n\t' '  ')"
}

# loaded TABLE <RULESET: whether the rules in force are those of the ruleset, which is
# loaded in a network of its own for that: same, a line that differs, or nothing where
# that cannot be done.
loaded() {
    folder=$(mktemp -d) || return 0
    cat >"$folder/rules"
    # shellcheck disable=SC2016 # its own arguments
    if unshare -n sh -c 'nft -f "$1" && nft -s list table $2' sh "$folder/rules" "$1" \
        >"$folder/wanted" 2>/dev/null; then
        # shellcheck disable=SC2086 # family and name
        nft -s list table $1 >"$folder/found" 2>/dev/null
        sed -i 's/ counter packets [0-9]* bytes [0-9]*/ counter/' \
            "$folder/wanted" "$folder/found"
        if cmp -s "$folder/wanted" "$folder/found"; then
            echo same
        else
            diff "$folder/wanted" "$folder/found" | grep '^[<>]' | head -n 3 |
                sed -e 's/^</missing:/' -e 's/^>/added:/' -e 's/;* *$/;/' | tr '\n' ' '
        fi
    fi
    rm -rf "$folder"
}

umask 077
told clock "$(date +%s.%N)"
told status "$("$command" status 2>&1)"
told table "$(nft list tables 2>/dev/null | grep -c -e 'inet farmctl$' -e 'inet fw4$')"
told forwarding "$(cat /proc/sys/net/ipv4/ip_forward)"
told dnsmasq "$(pidof dnsmasq)"
case $flavour in
    openwrt)
        told check "$(fw4 check 2>&1)"
        told loaded "$(fw4 print 2>/dev/null | loaded 'inet fw4')"
        told wan "$(ubus call network.interface.wan status 2>/dev/null)"
        told lan "$(uci -q get network.lan.ipaddr)"
        told hosts "$(uci -q show dhcp | grep -c '=host$')"
        told redirects "$(uci -q show firewall | grep -c '=redirect$')"
        ;;
    *)
        told loaded "$(loaded 'inet farmctl' </run/farmctl/ruleset.nft)"
        told redirects "$(nft list chain inet farmctl inward 2>/dev/null | grep -c 'from inside')"
        told hosts "$(grep -c . /etc/farmctl/router/dhcp-hosts)"
        told lan "$(sed -n 's/^listen-address=//p' /etc/farmctl/router/dnsmasq.conf)"
        ;;
esac
