"""What a finished run found, as one HTML file."""

from streamad.reporting.report import write_report

__all__ = ["write_report"]
