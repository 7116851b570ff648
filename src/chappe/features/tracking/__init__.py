"""Short links: who opened which address of a text. docs/explanation/link-tracking.md says how."""
