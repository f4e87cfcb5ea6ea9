"""farmctl: elastic virtual farms on OpenNebula, each from one YAML file."""

__version__ = "0.1.0"
