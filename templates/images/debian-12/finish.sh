# Runs inside the tree, after the packages and the files.

# A node is a set of namespaces: disks, clocks, modules and consoles are the machine's.
for service in bootlogs bootmisc.sh brightness busybox-klogd checkfs.sh checkroot.sh \
    checkroot-bootclean.sh hostname.sh hwclock.sh mount-configfs mountall.sh \
    mountall-bootclean.sh mountdevsubfs.sh mountkernfs.sh mountnfs.sh \
    mountnfs-bootclean.sh procps rc.local rmnologin umountfs umountnfs.sh umountroot \
    urandom; do
    update-rc.d -f "$service" remove
done
update-rc.d farmctl-node defaults
update-rc.d farmctl-context defaults
update-rc.d farmctl-watch defaults

# Root logs in by key only.
usermod --password '*' root
mkdir -p /root/.ssh
chmod 700 /root/.ssh
: >/etc/hostname

# What identifies a machine is made at a node's first boot.
rm -f /etc/ssh/ssh_host_*
