"""`chappe demo`."""


def demo() -> None:
    """Run the main job against the bundled simulator."""
