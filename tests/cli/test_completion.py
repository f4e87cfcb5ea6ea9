import shutil
import subprocess

import pytest


@pytest.fixture
def complete(farmctl, monkeypatch):
    def ask(*words):
        monkeypatch.setenv("COMP_WORDS", " ".join(("farmctl", *words)))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        monkeypatch.setenv("_FARMCTL_COMPLETE", "bash_complete")
        ran = farmctl()
        monkeypatch.delenv("_FARMCTL_COMPLETE")
        return [line.partition(",")[2] for line in ran.out.split()]

    return ask


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_right_and_says_how_to_install_it(farmctl, tmp_path, shell):
    ran = farmctl("completion", shell)
    assert ran.status == 0
    assert f"farmctl completion {shell} > " in ran.out
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    script = tmp_path / "script"
    script.write_text(ran.out)
    subprocess.run([shell, "-n", str(script)], check=True)


def test_commands_and_options_are_completed(complete):
    assert complete("pl") == ["plan"]
    assert "--no-wait" in complete("apply", "--")


def test_farms_and_pools_are_completed_from_the_cloud(complete, cloud, folder, farmctl):
    assert farmctl("apply", "--yes", "sandbox.yaml").status == 0
    assert complete("status", "sa") == ["sandbox"]
    assert complete("status", "x") == []
    assert complete("scale", "sandbox", "w") == ["wn"]


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9/RPC2", "nonsense"])
def test_completion_never_fails(complete, folder, monkeypatch, endpoint):
    monkeypatch.setenv("ONE_XMLRPC", endpoint)
    assert complete("status", "") == []
    (folder / "site.yaml").write_text(": rubbish")
    assert complete("destroy", "") == []
    (folder / "site.yaml").unlink()
    assert complete("explain", "") == []
