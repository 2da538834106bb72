"""No call in the packages that can run code from a file."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted([*ROOT.glob("streamad/**/*.py"), *ROOT.glob("connectors/**/*.py")])
UNSAFE_ANYWHERE = {"eval", "exec", "compile"}
UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}


def unsafe(tree):
    """What is wrong in a file, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {(node.module or "").split(".")[0]}
        else:
            names = set()
        if names & UNSAFE_MODULES:
            yield node.lineno, ast.unparse(node)
        if isinstance(node, ast.Call) and forbidden(node):
            yield node.lineno, ast.unparse(node)


def forbidden(call):
    called = ast.unparse(call.func)
    given = {word.arg: ast.unparse(word.value) for word in call.keywords}
    if called in UNSAFE_ANYWHERE:
        return True
    if called.endswith("torch.load") or (called == "load" and "map_location" in given):
        return given.get("weights_only") != "True"
    if called in {"np.load", "numpy.load"}:
        return given.get("allow_pickle", "False") != "False"
    if called.startswith("yaml."):
        return called.endswith(("load", "load_all")) and "Safe" not in given.get("Loader", "")
    if called.endswith("YAML"):
        return given.get("typ") == "'unsafe'"
    return given.get("shell") == "True"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_runs_no_code_from_data(path):
    assert list(unsafe(ast.parse(path.read_text()))) == []


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from joblib import load",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "yaml.load(text)",
        "yaml.load(text, Loader=yaml.FullLoader)",
        "YAML(typ='unsafe')",
        "eval(text)",
        "exec(text)",
        "subprocess.run(text, shell=True)",
    ],
)
def test_an_unsafe_call_is_found(code):
    assert list(unsafe(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        "torch.load(path, weights_only=True)",
        "np.load(path)",
        "YAML(typ='rt')",
        "json.load(file)",
        "entry.load()",
        "re.compile(text)",
    ],
)
def test_a_safe_call_is_not(code):
    assert list(unsafe(ast.parse(code))) == []
