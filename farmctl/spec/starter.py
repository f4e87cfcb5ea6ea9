"""What `farmctl init` writes: a site file and an example farm to start from.

Both are right as they stand, against the embedded cloud; the comments say what a real
site changes.
"""

SITE = """\
# The site: one OpenNebula cloud and its rules. All farms of the site share this file.
# As it stands it fits the embedded cloud, which farmctl starts by itself when no
# OpenNebula is named. `farmctl schema site` is for your editor.

site: example
domain: farm.example.org          # each farm gets a DNS domain of its own below it

# Your OpenNebula. Without it: $ONE_XMLRPC and $ONE_AUTH, else the embedded cloud.
# cloud:
#   endpoint: https://one.example.org:2633/RPC2
#   auth_file: ~/.one/one_auth    # one line, user:password, mode 0600

# Routers and heads run on service hypervisors, workers on worker hypervisors.
# `requires` is what OpenNebula's SCHED_REQUIREMENTS would say.
hypervisors:
  service: {requires: 'FARM_CLASS="service"', system_datastore: gluster}
  worker: {requires: 'FARM_CLASS="worker"', system_datastore: lvm}

networks:
  farms:
    supernet: 172.16.0.0/16       # each farm gets a /24 of it
    driver: dummy                 # at a real site 802.1Q, vxlan, ovswitch or bridge
    # physical_device: eth1       # needed by 802.1Q and vxlan
  public: {name: public}          # where the routers' public addresses come from
  # reserved: [172.16.0.0/24]     # what no farm may get

# Our name of an image: its name in OpenNebula. A new release is a change here only.
images:
  openwrt: openwrt-24.10
  debian-router: debian-router-12
  debian: debian-12
  head-el9: head-el9-2026-11
  wn-el9: wn-el9-2026-11

readiness: onegate                # `running` where the site has no OneGate

# Who may reach the routers' SSH (60022) and LuCI (60443), and log in everywhere.
# admin:
#   addresses: [192.0.2.0/24]
#   ssh_keys: [ssh-ed25519 AAAA... admin@example.org]

# How farmctl logs in to nodes: to change routers while they run, to configure nodes,
# for `farmctl check` and `farmctl ssh`. The key's public half goes into admin.ssh_keys,
# the network that farmctl runs in into admin.addresses.
# login: {user: root, key_file: ~/.ssh/farmctl}
"""

FARM = """\
# One farm: a private class C network, a router and as many workers as you say.
#   farmctl validate example.yaml    every mistake at once
#   farmctl plan example.yaml        what would change
#   farmctl apply example.yaml       do it
#   farmctl destroy example          all of it, and nothing left

farm: example                     # the nodes are example-router, example-wn-001, ...
kind: plain                       # plain, batch, interactive, imaging or pilot
network: auto                     # the next free /24 of the site

router:
  image: openwrt                  # a name from the site's images
  flavour: openwrt                # what that image is: openwrt or debian
  public_address: auto            # or one of the public network, or none
  forwards:                       # nothing else gets in
    - {name: ssh, port: 2222, to: wn-001, to_port: 22, from: [192.0.2.0/24]}

# A farm with a batch system has a head too, and says which:
# kind: batch
# batch: slurm
# head: {image: head-el9, cpus: 4, memory: 8GiB, disk: 40GiB}

pools:
  wn:
    image: debian
    cpus: 1
    memory: 2GiB
    disk: 10GiB
    count: 2                      # or {min: 0, max: 40}: sized by the work there is

# lease: {expires_in: 7d}         # the farm ends by itself
"""
