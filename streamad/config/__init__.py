"""YAML to checked models to built objects."""

from streamad.config.build import (
    make_dead_letter,
    make_live_sinks,
    make_pipeline,
    make_sinks,
    make_source,
)
from streamad.config.load import config_from, load_config
from streamad.config.lock import fingerprint, lock, to_yaml, tree_yaml
from streamad.config.models import Config

__all__ = [
    "Config",
    "config_from",
    "fingerprint",
    "load_config",
    "lock",
    "make_dead_letter",
    "make_live_sinks",
    "make_pipeline",
    "make_sinks",
    "make_source",
    "to_yaml",
    "tree_yaml",
]
