"""The command ``streamad``: parse, call, print. Only what a command needs is imported."""

from __future__ import annotations


def main() -> None:
    """Entry point of the command."""
    from streamad.cli.app import run

    run()
