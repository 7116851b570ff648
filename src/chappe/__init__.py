"""Chappe: an open, self-hosted messaging engine."""

__version__ = "0.1.0.dev0"
