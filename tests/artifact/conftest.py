import pytest
from tiny_artifacts import save_mobilenet


@pytest.fixture(scope="session")
def mobilenet(tmp_path_factory):
    path = tmp_path_factory.mktemp("artifact") / "model.cmp"
    return path, save_mobilenet(path)
