"""The embedded cloud: the OpenNebula that farmctl carries along.

A process of its own, on loopback only, that answers OpenNebula 7.4's XML-RPC and
OneGate as recorded from a real one. From the wire inwards:

* `server` takes HTTP; `wire` turns it into calls; `engine` authenticates, looks for
  injected faults and runs one function of `calls` per call, atomically.
* `calls` holds the methods, a module per resource. They check rights (`permissions`,
  `quotas`), change `entities` in `pools` and start what takes time in `lifecycle`.
* `lifecycle`, `scheduler` and `schedule` move VMs on a `timeline` that tests can turn;
  a `driver` says how long each step takes and whether it succeeds.
* `store` writes what changed to SQLite before the answer goes out.
* `process` starts and stops all that; `control` is the side door for faults and clock.

Nobody imports this room but the assembly and the command line.
"""
