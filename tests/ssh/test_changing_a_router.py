"""Against a real sshd, and a `farmctl-router` of a few lines with the same promises."""

import base64
import io
import tarfile

import pytest

from farmctl.errors import NotAuthenticatedError, RefusedError, UnreachableError
from farmctl.ssh import change_router

ROUTER = r"""#!/bin/sh
state={folder}/router
mkdir -p "$state"
digest() { sha256sum <"$state/files" | cut -c 1-16; }
echo "$1" >>"$state/asked"
case $1 in
    apply)
        cat >"$state/new"
        if grep -q refused "$state/new"; then
            echo 'farmctl-router: no such port.' >&2
            exit 1
        fi
        [ -f "$state/waiting" ] && exit 1
        cmp -s "$state/new" "$state/files" && { echo "unchanged $(digest)"; exit; }
        [ ! -f "$state/files" ] || cp "$state/files" "$state/old"
        mv "$state/new" "$state/files"
        : >"$state/waiting"
        (sleep "$2"; [ ! -f "$state/waiting" ] || {
            mv "$state/old" "$state/files"
            rm "$state/waiting"
            cp {folder}/authorized.old {folder}/authorized 2>/dev/null
        }) </dev/null >/dev/null 2>&1 &
        if grep -q lockout "$state/files"; then
            mv {folder}/authorized {folder}/authorized.old
        fi
        if grep -q cut "$state/files"; then kill -9 $PPID; fi
        echo "applied $(digest)"
        ;;
    confirm)
        rm -f "$state/waiting"
        if grep -q 'lost answer' "$state/files"; then kill -9 $PPID; fi
        echo "confirmed $(digest)"
        ;;
    status)
        word=confirmed
        [ ! -f "$state/waiting" ] || word=waiting
        [ -f "$state/files" ] || exit 1
        echo "$word $(digest)"
        ;;
esac
"""


@pytest.fixture
def router(farm):
    """The router of the farm, with its program and the files `old` in force."""
    folder = farm.servers["router"].folder
    path = folder / "farmctl-router"
    path.write_text(ROUTER.replace("{folder}", str(folder)))
    path.chmod(0o755)
    farm.state = folder / "router"
    farm.state.mkdir()
    (farm.state / "files").write_text("old")
    farm.command = str(path)
    return farm.guest("router")


def test_a_change_is_put_in_force_and_confirmed(farm, router):
    shell = farm.shell()
    assert change_router(shell, router, "new", command=farm.command) is True
    # Confirmed at the first attempt: whatever is waited for is asked about once more.
    asked = (farm.state / "asked").read_text().split()
    assert asked == ["status", "apply", "confirm"]
    assert (farm.state / "files").read_text() == "new"
    assert not (farm.state / "waiting").exists()
    assert change_router(shell, router, "new", command=farm.command) is False


def test_files_that_the_router_refuses_change_nothing(farm, router):
    with pytest.raises(RefusedError) as caught:
        change_router(farm.shell(), router, "refused", command=farm.command)
    assert caught.value.message == (
        "alice-wn-router refuses its new files: no such port. It goes on with those "
        "that it had."
    )
    assert (farm.state / "files").read_text() == "old"


def test_a_router_without_the_program_is_told(farm, router):
    with pytest.raises(RefusedError, match="has no /nowhere/farmctl-router"):
        change_router(farm.shell(), router, "new", command="/nowhere/farmctl-router")


def test_a_change_that_locks_us_out_is_taken_back(farm, router):
    with pytest.raises(UnreachableError) as caught:
        change_router(farm.shell(), router, "lockout", command=farm.command, seconds=3)
    assert "did not let us in again" in caught.value.message
    assert "it answers again, with the files that it had before" in caught.value.message
    assert isinstance(caught.value.__cause__, NotAuthenticatedError)
    assert (farm.state / "files").read_text() == "old"


def test_a_change_that_cuts_its_own_connection_is_confirmed_all_the_same(farm, router):
    assert change_router(farm.shell(), router, "cut", command=farm.command) is True
    assert (farm.state / "files").read_text() == "cut"
    assert not (farm.state / "waiting").exists()


def test_a_confirmation_whose_answers_are_lost_is_no_roll_back(farm, router):
    shell = farm.shell()
    assert change_router(shell, router, "lost answer", command=farm.command, seconds=2)
    assert (farm.state / "files").read_text() == "lost answer"
    assert not (farm.state / "waiting").exists()


def test_a_change_that_nobody_confirmed_is_waited_out(farm, router):
    shell = farm.shell()
    shell.run(router, [farm.command, "apply", "2"], stdin="of somebody who was killed")
    assert change_router(shell, router, "new", command=farm.command, seconds=3)
    assert (farm.state / "files").read_text() == "new"


def test_the_script_that_rides_with_the_files_is_run(farm, router):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        text = (farm.state.parent / "farmctl-router").read_bytes()
        entry = tarfile.TarInfo("farmctl-router")
        entry.size = len(text)
        tar.addfile(entry, io.BytesIO(text))
    files = base64.b64encode(buffer.getvalue()).decode()
    shell = farm.shell()
    assert change_router(
        shell, router, files, command=farm.command, script="farmctl-router"
    )
    assert (farm.state / "files").read_text() == files
    with pytest.raises(RefusedError, match="what came has no farmctl-router in it"):
        change_router(
            shell, router, "AAAA", command=farm.command, script="farmctl-router"
        )


def test_a_router_that_does_not_let_us_in_is_sent_nothing(farm, router):
    (farm.servers["router"].folder / "authorized").write_text("")
    with pytest.raises(NotAuthenticatedError):
        change_router(farm.shell(), router, "new", command=farm.command)
    assert (farm.state / "files").read_text() == "old"
