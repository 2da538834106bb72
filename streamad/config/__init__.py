"""YAML to checked models to built objects."""

from streamad.config.build import fingerprint, lock, make_pipeline, make_sinks, make_source, to_yaml
from streamad.config.load import config_from, load_config, override
from streamad.config.models import Config

__all__ = [
    "Config",
    "config_from",
    "fingerprint",
    "load_config",
    "lock",
    "make_pipeline",
    "make_sinks",
    "make_source",
    "override",
    "to_yaml",
]
