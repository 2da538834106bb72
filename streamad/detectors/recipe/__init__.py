"""The members of the fusion, and what they share: preparation, rows of the past, calls."""
