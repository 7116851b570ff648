"""The `chappe` command. Each module holds one task; nobody imports this room."""

from chappe.cli.app import main

__all__ = ["main"]
