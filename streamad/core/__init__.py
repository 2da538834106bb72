"""Nouns and verbs: the data that flows, the protocols between rooms, the errors. Numpy only."""
