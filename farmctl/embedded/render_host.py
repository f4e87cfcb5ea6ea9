"""Hosts as XML, their hardware included."""

from farmctl.embedded import monitoring
from farmctl.embedded.attributes import Attributes, value_xml
from farmctl.embedded.cloud import Cloud
from farmctl.embedded.entities import Host
from farmctl.embedded.render import cdata, element, ids

_CORE = 100


def host(cloud: Cloud, item: Host) -> str:
    """Write a host without monitoring, as the cached part of both."""
    cluster = cloud.pools.clusters.find(item.cluster_id)
    shown = item.template.copy()
    shown.put("IM_MAD", item.im_mad)
    shown.put("VM_MAD", item.vm_mad)
    cpu, memory = item.total_cpu, item.total_memory
    if item.blank():
        cpu = memory = 0
    else:
        shown.put("TOTALCPU", str(cpu))
        shown.put("TOTALMEMORY", str(memory))
    return (
        f"<HOST><ID>{item.id}</ID>{element('NAME', item.name)}"
        f"<STATE>{int(item.state)}</STATE><PREV_STATE>{int(item.state)}</PREV_STATE>"
        f"{cdata('IM_MAD', item.im_mad)}{cdata('VM_MAD', item.vm_mad)}"
        f"<CLUSTER_ID>{item.cluster_id}</CLUSTER_ID>"
        f"{element('CLUSTER', cluster.name if cluster else '')}"
        f"<HOST_SHARE><MEM_USAGE>{item.memory_usage}</MEM_USAGE>"
        f"<CPU_USAGE>{item.cpu_usage}</CPU_USAGE><TOTAL_MEM>{memory}</TOTAL_MEM>"
        f"<TOTAL_CPU>{cpu}</TOTAL_CPU><MAX_MEM>{memory}</MAX_MEM>"
        f"<MAX_CPU>{cpu}</MAX_CPU><RUNNING_VMS>{len(item.vms)}</RUNNING_VMS>"
        "<VMS_THREAD>1</VMS_THREAD>"
        f"{_datastores()}<PCI_DEVICES></PCI_DEVICES>{_numa(item)}</HOST_SHARE>"
        f"{ids('VMS', item.vms)}{shown.xml()}</HOST>"
    )


def with_monitoring(cloud: Cloud, item: Host, drawn: str) -> str:
    """Add the last monitoring to a host's XML, as pool and info show it."""
    last = monitoring.last_of_host(cloud, item)
    inner = "" if last is None else last
    return f"{drawn.removesuffix('</HOST>')}<MONITORING>{inner}</MONITORING></HOST>"


def _datastores() -> str:
    attributes = {
        "DISK_USAGE": "0",
        "FREE_DISK": "2048000",
        "MAX_DISK": "2048000",
        "USED_DISK": "97200",
    }
    return value_xml("DATASTORES", attributes)


def _numa(item: Host) -> str:
    cores = max(item.total_cpu // _CORE, 1)
    node = Attributes(
        {
            "CORE": [
                {
                    "CPUS": f"{number}:-1",
                    "DEDICATED": "NO",
                    "FREE": "1",
                    "ID": str(number),
                }
                for number in range(cores)
            ],
            "HUGEPAGE": [{"PAGES": "0", "SIZE": "2048", "USAGE": "0"}],
            "MEMORY": [
                {"DISTANCE": "0", "TOTAL": str(item.total_memory), "USAGE": "0"}
            ],
            "NODE_ID": ["0"],
        }
    )
    return f"<NUMA_NODES>{node.xml('NODE')}</NUMA_NODES>"
