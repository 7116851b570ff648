"""SMPP 3.4 without sockets, both ends. Standard library only."""
