"""Numba kernels: plain arrays and scalars in, results written into arrays of the caller."""
