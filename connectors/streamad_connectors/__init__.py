"""Sources and sinks of streamad, found through entry points."""
