"""The import table of DESIGN section 2."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BELOW = {
    "core": set(),
    "kernels": set(),
    "models": set(),
    "windowing": {"core", "kernels"},
    "thresholds": {"core", "kernels"},
    "alerting": {"core", "kernels"},
    "evaluation": {"core", "kernels"},
    "encoders": {"core", "models"},
    "detectors": {"core", "kernels", "models", "encoders"},
    "faces": {"core", "windowing", "detectors"},
    "quarantine": {"core"},
    "pipeline": {"core", "quarantine"},
    "testing": {"core"},
    "streamad_connectors": {"core"},
    "runtime": {"core", "pipeline", "quarantine"},
}
ENGINE = {*BELOW} - {"testing", "streamad_connectors"}
TABLE = {
    **BELOW,
    "config": ENGINE,
    "reporting": ENGINE,
    "web": {"core", "runtime"},
    "backtest": ENGINE | {"config"},
    "cli": ENGINE | {"config", "reporting", "backtest", "web", ""},
}
FILES = sorted([*ROOT.glob("streamad/**/*.py"), *ROOT.glob("connectors/**/*.py")])


def room(dotted):
    """Room of a module, ``""`` for the package itself, None for what is not ours."""
    package, _, rest = dotted.partition(".")
    if package == "streamad_connectors":
        return package
    return rest.split(".")[0] if package == "streamad" else None


def imports(tree):
    """Modules that a file imports when it runs, first use included."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        yield from imports(node)


def module(path):
    relative = path.relative_to(ROOT / "connectors" if "connectors" in path.parts else ROOT)
    return ".".join(relative.with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("path", FILES, ids=module)
def test_a_room_imports_only_what_the_table_allows(path):
    own = room(module(path))
    rooms = {room(name) for name in imports(ast.parse(path.read_text()))} - {None, own}
    assert rooms <= TABLE[own] if own else not rooms


def test_every_room_is_in_the_table():
    assert {room(module(path)) for path in FILES} - {""} <= TABLE.keys()


@pytest.mark.parametrize("path", sorted(ROOT.glob("streamad/**/*.py")), ids=module)
def test_the_package_does_not_name_its_connectors(path):
    assert "streamad_connectors" not in path.read_text()


@pytest.mark.parametrize("path", FILES, ids=module)
def test_a_file_of_more_than_400_lines_says_why(path):
    text = path.read_text()
    docstring = ast.get_docstring(ast.parse(text)) or ""
    assert len(text.splitlines()) <= 400 or "Longer than other files" in docstring


@pytest.mark.parametrize("path", sorted(ROOT.glob("streamad/kernels/*.py")), ids=module)
def test_a_kernel_that_other_kernels_call_is_private(path):
    """Private ones are inlined; others exist twice, and history decides which bits come out."""
    functions = [
        node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)
    ]
    public = {node.name for node in functions if not node.name.startswith("_")}
    called = {
        call.func.id
        for function in functions
        for call in ast.walk(function)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
    }
    assert not public & called - {"kernel"}
