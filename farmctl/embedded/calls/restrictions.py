"""What ordinary users may not set, by kind of template; `configuration` says where."""

from farmctl.embedded.configuration import restricted

MACHINE = restricted("VM")
NETWORK = restricted("VNET")
IMAGE = restricted("IMAGE")
OF_GROUPS = restricted("GROUP")
OF_USERS = restricted("USER")
