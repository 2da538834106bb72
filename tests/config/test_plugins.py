"""Plugins of other packages are checked and made like our own."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamad.config import config_from, make_sinks, make_source
from streamad.config.plugins import load_plugin, options_model, plugin_names
from streamad.core.errors import ConfigError

TREE = {
    "pipeline": "a",
    "source": {
        "type": "vault", "schema": "s", "password": "hunter2-canary", "hosts": ["x", "y"],
        "tls": {"ca": "c"},
    },
}  # fmt: skip


def with_source(**changes):
    return {**TREE, "source": {**TREE["source"], **changes}}


@pytest.mark.usefixtures("foreign")
class TestForeign:
    def test_a_plugin_gets_what_its_hints_ask_for(self):
        made = make_source(config_from(TREE)).given
        assert made["hosts"] == ("x", "y")
        assert (made["tls"].ca, made["tls"].check) == ("c", True)
        assert made["folder"] == Path("x")

    def test_a_plugin_gets_its_secret_in_the_clear(self):
        assert make_source(config_from(TREE)).given["password"] == "hunter2-canary"

    @pytest.mark.parametrize(
        ("changes", "part"),
        [
            ({"paswd": "x"}, "unknown option 'source.paswd'"),
            ({"schma": "x"}, "did you mean 'schema'?"),
            ({"tls": {"cca": "c"}}, "source.tls.ca: Field required"),
            ({"hosts": "x"}, "source.hosts: Input should be a list"),
            ({"type": "vlt"}, "did you mean 'vault'?"),
            ({"type": "broken"}, "the source 'broken' (foreign:NoSuchClass) cannot be loaded"),
        ],
    )
    def test_a_plugin_gets_our_messages(self, changes, part):
        with pytest.raises(ConfigError) as caught:
            config_from(with_source(**changes))
        assert part in str(caught.value)

    def test_a_detector_that_cannot_be_imported_is_named(self):
        with pytest.raises(ConfigError, match=r"the detector 'lost' \(nowhere:Detector\) cannot"):
            config_from({**TREE, "detectors": [{"type": "lost"}]})

    def test_a_plugin_may_take_anything(self):
        sinks = [{"type": "any", "colour": "red"}]
        made = make_sinks(config_from({**TREE, "sinks": sinks}), Path())
        assert made[-1].options == {"colour": "red"}

    def test_a_plugin_without_hints_takes_any_type(self):
        made = make_sinks(
            config_from({**TREE, "sinks": [{"type": "untyped", "clock": 1, "step": "x"}]}), Path()
        )
        assert made[-1].step == "x"

    def test_it_is_listed_with_our_own(self):
        assert {"vault", "parquet"} <= set(plugin_names("streamad.sources"))


def test_a_plugin_that_is_not_there_is_an_error():
    with pytest.raises(ConfigError, match="unknown source 'vault': "):
        load_plugin("streamad.sources", "vault")


def test_a_model_is_made_once():
    assert options_model(Path) is options_model(Path)
