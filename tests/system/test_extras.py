import ast
import sys
from importlib.metadata import PackageNotFoundError

import pytest
from packages import DEV, EXTRAS, LIGHT, imported_names
from packaging.utils import canonicalize_name
from runs import ROOT

from compression.core.errors import InputError
from compression.system import extras
from compression.system.extras import describe_missing, explain_import, missing_extra_in_one_line, require_packages

# Installed by a package of the extra, as part of the interface of that package.
BROUGHT = {"google": "onnx"}


@pytest.fixture(scope="module")
def names():
    return imported_names()


def asked(requirements):
    return {canonicalize_name(one.name) for one in requirements}


def missing(name):
    return ModuleNotFoundError(f"No module named {name!r}", name=name)


@pytest.mark.parametrize(("module", "extra"), extras.EXTRAS.items())
def test_each_extra_installs_the_listed_package(names, module, extra):
    top = module.partition(".")[0]
    if top not in names:
        pytest.skip(f"{top} is not installed here")
    assert names[top] & asked(EXTRAS[extra])


@pytest.mark.parametrize("extra", sorted(set(EXTRAS) - {DEV}))
def test_every_requirement_of_an_extra_is_listed(names, extra):
    tops = {module.partition(".")[0] for module, its in extras.EXTRAS.items() if its == extra}
    known = set().union(*(names.get(top, set()) for top in tops))
    installed = set().union(*names.values())
    assert asked(EXTRAS[extra]) & installed <= known


def test_every_import_comes_with_the_light_set_or_a_known_extra(names):
    light = {name for name, found in names.items() if found & asked(LIGHT)}
    known = light | set(extras.EXTRAS) | set(BROUGHT) | set(sys.stdlib_module_names) | {"compression"}
    for path in [ROOT / "train.py", *(ROOT / "compression").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found = {one.name.partition(".")[0] for one in node.names}
            elif isinstance(node, ast.ImportFrom):
                found = {(node.module or "").partition(".")[0]}
            else:
                continue
            assert found <= known, path


def test_a_missing_package_is_named_with_the_install_command():
    line = 'onnxruntime is not installed: pip install "compression[onnx]"'
    assert describe_missing("onnxruntime") == explain_import(missing("onnxruntime")) == line
    assert explain_import(missing("sklearn")) == 'sklearn is not installed: pip install "compression[train]"'
    line = 'hydra_joblib_launcher is not installed: pip install "compression[joblib]"'
    assert describe_missing("hydra_plugins.hydra_joblib_launcher") == line


def test_without_an_installed_package_the_checkout_is_named(monkeypatch):
    def not_found(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(extras, "distribution", not_found)
    assert describe_missing("hydra") == 'hydra is not installed: pip install ".[train]"'


@pytest.mark.parametrize(
    "error",
    [
        missing("foo"),
        missing("compression.core.foo"),
        # Inside an installed package: another version of it.
        missing("lightning.pytorch.foo"),
        ModuleNotFoundError("without a name"),
        ImportError("cannot import name 'x' from 'onnx'", name="onnx"),
        ValueError("onnx"),
    ],
)
def test_a_defect_is_not_explained_away(error):
    assert explain_import(error) is None
    with pytest.raises(type(error)), missing_extra_in_one_line():
        raise error


def test_a_missing_package_ends_a_script_in_one_line():
    with pytest.raises(SystemExit) as caught, missing_extra_in_one_line():
        raise missing("hydra")
    assert caught.value.code == 'error: hydra is not installed: pip install "compression[train]"'


def test_a_folder_of_the_same_name_is_not_a_package(tmp_path, monkeypatch):
    monkeypatch.setitem(extras.EXTRAS, "folder_of_exports", "onnx")
    (tmp_path / "folder_of_exports").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=r"^folder_of_exports is not installed: "):
        require_packages("folder_of_exports")


def test_require_packages_names_the_first_missing_one(monkeypatch):
    require_packages()
    require_packages("onnx", "yaml")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InputError) as caught:
        require_packages("yaml", "onnx")
    assert str(caught.value) == 'onnx is not installed: pip install "compression[onnx]"'
