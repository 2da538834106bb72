"""Torch models: tensors in, tensors out. Imported only where the extra ``deep`` is installed."""
