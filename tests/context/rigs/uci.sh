#!/bin/sh
# As much of uci as the image's scripts use; a change is in the file at once.
while [ "${1#-}" != "$1" ]; do
    case $1 in
        -c) folder=$2 && shift ;;
        -t) shift ;;
    esac
    shift
done
action=$1 what=${2%%=*} VALUE=${2#*=}
file=$folder/${what%%.*} where=${what#*.}
export VALUE
[ -f "$file" ] || exit 1
case $action in
    show) cat "$file"; exit ;;
    commit) exit ;;
esac
awk -v action="$action" -v where="$where" '
BEGIN { quoted = "\047" ENVIRON["VALUE"] "\047" }
function close_section() {
    if (section != "" && section == substr(where, 1, length(section)) &&
        substr(where, length(section) + 1, 1) == ".") {
        key = substr(where, length(section) + 2)
        if (action == "add_list") print "\tlist " key " " quoted
        if (action == "set" && !hit) print "\toption " key " " quoted
    }
}
$1 == "config" {
    if (action != "get") close_section()
    split($0, part, "\047")
    section = part[2]
    if (action == "get" && section == where) { print $2; hit = 1 }
    if (action != "get") print
    next
}
section "." $2 == where {
    if (action == "get") { split($0, part, "\047"); print part[2]; hit = 1; next }
    if (action == "delete") next
    if (action == "set") { print "\toption " $2 " " quoted; hit = 1; next }
}
action != "get" { print }
END { if (action != "get") close_section(); else exit !hit }
' "$file" >"$file.new"
status=$?
if [ "$action" = get ]; then
    cat "$file.new"
    rm "$file.new"
    exit $status
fi
mv "$file.new" "$file"
