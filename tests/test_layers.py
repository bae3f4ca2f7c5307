"""The house keeps its layers: who imports whom, what is public, and how long files are."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import wengert as wg

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {"core": "wengert.core", "transforms": "wengert.transforms", "frontend": "wengert"}
FILES = [(folder, path) for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
every_file = pytest.mark.parametrize(
    ("folder", "path"), FILES, ids=[p.relative_to(ROOT).as_posix() for _, p in FILES]
)


def package_of(folder: str, path: Path) -> str:
    """The package that a file's relative imports start from."""
    inside = path.relative_to(ROOT / folder).parent.parts
    return ".".join([FOLDERS[folder], *inside])


def imports(folder: str, path: Path) -> Iterator[tuple[str, ast.stmt]]:
    """Every absolute module name that a file imports, relative imports resolved."""
    package = package_of(folder, path).split(".")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                yield f"{module}.{alias.name}", node


def test_there_are_files() -> None:
    assert len(FILES) > 20


@every_file
def test_import_direction(folder: str, path: Path) -> None:
    """The core knows no transform, and neither knows the frontend."""
    allowed = {
        "core": ("wengert.core",),
        "transforms": ("wengert.core", "wengert.transforms"),
        "frontend": ("wengert",),
    }[folder]
    for name, node in imports(folder, path):
        if name.split(".")[0] == "wengert":
            fits = any(name == a or name.startswith(a + ".") for a in allowed)
            assert fits, f"{path.name}:{node.lineno} imports {name}"


@every_file
def test_imports_inside_are_relative(folder: str, path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not any(a.name.split(".")[0] == "wengert" for a in node.names), node.lineno
        elif isinstance(node, ast.ImportFrom) and not node.level:
            assert (node.module or "").split(".")[0] != "wengert", node.lineno


@every_file
def test_the_runtime_needs_numpy_and_typing_extensions_only(folder: str, path: Path) -> None:
    known = {"wengert", "numpy", "typing_extensions", *sys.stdlib_module_names}
    if "scipy" in path.relative_to(ROOT).parts:  # loaded on use only, see core/scipy/__init__.py
        known.add("scipy")
    for name, node in imports(folder, path):
        assert name.split(".")[0] in known, f"{path.name}:{node.lineno} imports {name}"


@every_file
def test_no_imports_inside_functions(folder: str, path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            for inner in ast.walk(node):
                assert not isinstance(inner, ast.Import | ast.ImportFrom), f"line {inner.lineno}"


@every_file
def test_length_of_files(folder: str, path: Path) -> None:
    # A list of names is not read from top to bottom.
    lines = [
        v for v in path.read_text(encoding="utf-8").splitlines() if not v.strip().endswith(",")
    ]
    assert len(lines) <= 500


@every_file
def test_module_docstrings(folder: str, path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring or path.name == "_version.py"


@every_file
def test_raises_carry_a_message(folder: str, path: Path) -> None:
    """No `raise SomeError()` and no `raise SomeError` of a new error."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            assert node.exc.args or node.exc.keywords or path.name == "dispatch.py", node.lineno
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Name):
            assert not node.exc.id[0].isupper(), node.lineno


@every_file
def test_exemptions_name_code_and_reason(folder: str, path: Path) -> None:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if "type: ignore" in line:
            assert "type: ignore[" in line, f"line {number}"
        if "# noqa" in line:
            assert "# noqa: " in line, f"line {number}"
        if "TODO" in line or "FIXME" in line:
            assert "#" in line.split("TODO")[-1], f"line {number}: a TODO names an issue"


@every_file
def test_no_wildcards_and_no_prints(folder: str, path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert all(a.name != "*" for a in node.names), node.lineno
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            # Staged evaluation is what runs text that it has written.
            assert node.func.id not in ("eval", "exec") or path.parent.name == "staging"


# What is public.


def public_functions() -> list[tuple[str, Any]]:
    """The functions that users call."""
    places: list[tuple[str, ModuleType]] = [
        ("wg", wg), ("wg.core", wg.core), ("wg.tree", wg.tree), ("wg.test_util", wg.test_util)
    ]  # fmt: skip
    found = {}
    for label, module in places:
        names = getattr(module, "__all__", [n for n in vars(module) if not n.startswith("_")])
        for name in names:
            value = getattr(module, name)
            if inspect.isfunction(value):
                found.setdefault(id(value), (f"{label}.{name}", value))
    return list(found.values())


PUBLIC = public_functions()


@pytest.mark.parametrize(("name", "function"), PUBLIC, ids=[n for n, _ in PUBLIC])
def test_public_functions_are_documented(name: str, function: Any) -> None:
    text = inspect.getdoc(function) or ""
    signature = inspect.signature(function)
    assert text.partition("\n\n")[0].rstrip().endswith("."), name
    if signature.parameters:
        assert "Args:" in text, name
        arguments = text.partition("Args:")[2].partition("\n\n")[0]
        for parameter in signature.parameters:
            assert f"{parameter}:" in arguments, f"{name}: {parameter}"
    if signature.return_annotation not in (None, "None"):
        assert "Returns:" in text, name
    assert ">>>" in text, name


def test_everything_in_all_exists() -> None:
    for module in (wg, wg.core, wg.tree, wg.errors, wg.core.ir, wg.numpy.linalg):
        for name in module.__all__:
            assert hasattr(module, name), f"{module.__name__}.{name}"


def test_the_design_s_names_are_there() -> None:
    names = [
        "grad", "value_and_grad", "jvp", "vjp", "linearize", "linear_transpose", "vmap", "jacfwd",
        "jacrev", "jacobian", "hessian", "hvp", "make_program", "Tracer", "Program", "tree",
        "numpy", "errors", "test_util", "WengertError", "__version__",
    ]  # fmt: skip
    for name in names:
        assert hasattr(wg, name), name
    for name in ("map", "flatten", "unflatten", "leaves", "structure", "register"):
        assert hasattr(wg.tree, name), name


def test_numpy_is_not_changed_by_importing() -> None:
    assert np.sin.__class__ is np.ufunc
    assert not hasattr(np, "grad")
