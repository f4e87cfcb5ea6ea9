import pytest

from farmctl import assets


def test_an_example_is_found():
    assert assets.path("inventories", "examples", "site.yaml").is_file()
    assert assets.path("inventories/examples").is_dir()


def test_what_is_missing_is_named():
    with pytest.raises(FileNotFoundError, match=r"templates/nowhere is missing"):
        assets.path("templates", "nowhere")


@pytest.mark.parametrize(
    "parts", [(), ("pyproject.toml",), ("templates", "..", "x"), ("/etc", "passwd")]
)
def test_nothing_else_is_found(parts):
    with pytest.raises(ValueError, match="is not inside one of"):
        assets.path(*parts)


def test_an_installed_package_finds_its_own(tmp_path, monkeypatch):
    package = tmp_path / "farmctl"
    (package / "_assets" / "templates").mkdir(parents=True)
    monkeypatch.setattr(assets, "_PACKAGE", package)
    assert assets.path("templates") == package / "_assets" / "templates"


def test_an_installation_without_them_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(assets, "_PACKAGE", tmp_path / "farmctl")
    with pytest.raises(FileNotFoundError, match=r"Install farmctl again\."):
        assets.root()
