"""What the program reasons on: frozen values of farms, nodes, views and steps."""
