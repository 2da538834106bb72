"""Rows to windows: event time and slots, sliding windows with causal scaling, late finals."""
