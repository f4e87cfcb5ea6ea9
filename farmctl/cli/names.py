"""The commands and what each is for; whoever needs only their names asks here."""

COMMANDS = {
    "init": "Write a site file and an example farm to start from.",
    "validate": "Name every mistake in site and farm files.",
    "plan": "Show what would change.",
    "apply": "Make the cloud as the farm file says.",
    "status": "Show farms, nodes, phases and addresses.",
    "explain": "Tell why a farm is as it is, and why it does not change.",
    "scale": "Set the size of a pool by hand.",
    "serve": "Keep farms as large as their work needs, until stopped.",
    "drain": "Give a node no new work; it ends when it is empty.",
    "undrain": "Take a drain back.",
    "check": "Probe a farm: isolation, open ports, DHCP, DNS, nodes ready.",
    "ssh": "Log in to a node, or run a command in it.",
    "inventory": "Tell Ansible of the nodes that run.",
    "simulate": "Replay recorded work, to choose the price of waiting.",
    "destroy": "End a farm, all of it.",
    "cloud": "Run the embedded cloud.",
    "schema": "Print the JSON Schema of farm or site files.",
    "completion": "Print the completion script of your shell.",
}
"""Each command and its line in `farmctl --help`; its module is imported when it runs.

In the order in which a newcomer meets them.
"""
