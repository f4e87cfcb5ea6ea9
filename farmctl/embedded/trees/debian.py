"""Build a Debian tree: debootstrap, then the machine's apt, then the recipe's files.

All of it happens in a folder that nobody looks at yet; `store` gives it its name when
it is whole. What identifies a machine, such as keys and host names, is not in a tree.
"""

import base64
import binascii
import re
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from farmctl.embedded.trees import sources
from farmctl.embedded.trees.contained import Runner, StepFailedError, refusal
from farmctl.embedded.trees.recipes import FILES, FINISH, Recipe
from farmctl.embedded.trees.sources import Source
from farmctl.errors import NotPossibleError

PROGRAMS = {
    "debootstrap": "debootstrap",
    "apt-get": "apt",
    "unshare": "util-linux",
    "setpriv": "util-linux",
    "gpgv": "gpgv",
}
"""What building takes, and the Debian packages that have it."""

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

# What a node does without; an admin's later installations in it are trimmed as well.
_TRIM = """\
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/lintian/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/man/*
path-exclude=/usr/share/zoneinfo/right/*
path-exclude=/usr/share/zoneinfo/posix/*
force-unsafe-io
"""

# No service starts while it is installed.
_POLICY = "#!/bin/sh\nexit 101\n"

_BOOTSTRAP = """
debootstrap --foreign --variant=minbase --merged-usr "$@"
"""
_SECOND_STAGE = """
cp "$2" "$1/etc/dpkg/dpkg.cfg.d/farmctl"
mount -t proc proc "$1/proc"
exec chroot "$1" /debootstrap/debootstrap --second-stage
"""
INSTALL = """
tree=$1
export APT_CONFIG="$2"
shift 2
# Nothing is installed unless apt itself says that it acts on the tree.
chroot='' status=''
eval "$(apt-config shell chroot DPkg::Chroot-Directory status Dir::State::status)"
if [ "$chroot" != "$tree" ] || [ "$status" != "$tree/var/lib/dpkg/status" ]; then
    echo "apt does not take its configuration from $APT_CONFIG."
    exit 1
fi
mount -t proc proc "$tree/proc"
apt-get -qq update
apt-get -y --no-install-recommends \
    -o Dpkg::Use-Pty=0 -o APT::Cmd::Disable-Script-Warning=1 install "$@"
"""
_COPY = """
cp -a --reflink=auto "$1/." "$2"
"""
# No link at all is what `update-rc.d NAME defaults`, and so Ansible's `enabled: true`,
# turns into an enabled service; one disabled by K links would stay disabled.
_DISABLE = """
tree=$1
shift
for service; do
    [ -e "$tree/etc/init.d/$service" ] || {
        echo "There is no service $service in the tree to disable."
        exit 1
    }
    rm -f "$tree"/etc/rc?.d/[SK][0-9][0-9]"$service"
done
"""
_FINISH = """
mount -t proc proc "$1/proc"
exec chroot "$1" /bin/sh -eu -c "$(cat "$2")"
"""

# Keys, names and addresses of a machine, and what apt and debootstrap leave behind.
_CLEAN = """
cd "$1"
rm -f etc/ssh/ssh_host_* etc/munge/munge.key etc/machine-id var/lib/dbus/machine-id \
    etc/hostname etc/resolv.conf etc/mailname etc/.pwd.lock usr/sbin/policy-rc.d \
    var/lib/systemd/random-seed var/lib/urandom/random-seed \
    var/cache/ldconfig/aux-cache \
    root/.bash_history root/.wget-hsts var/lib/dpkg/*-old var/cache/debconf/*-old
rm -rf debootstrap var/lib/apt/lists var/cache/apt var/cache/man
mkdir -p var/lib/apt/lists/partial var/cache/apt/archives/partial
find usr/share/doc usr/share/info usr/share/lintian usr/share/locale usr/share/man \
    -mindepth 1 -delete
find var/log -type f -delete
find tmp var/tmp run -xdev -mindepth 1 -delete
sync -f .
"""

_TOTAL = re.compile(r"\d+ upgraded, (\d+) newly installed")


class Builder:
    """Builds one tree into `folder`, which is empty; `work` is for passing files."""

    def __init__(
        self,
        recipe: Recipe,
        *,
        folder: Path,
        work: Path,
        runner: Runner,
        say: Callable[[str], None],
    ) -> None:
        self._recipe = recipe
        self._folder = folder
        self._work = work
        self._runner = runner
        self._say = say
        self._began = time.monotonic()

    def build(self, base: Path | None, mirrors: Sequence[Source]) -> None:
        """Build the tree, on a copy of `base` if the recipe extends another.

        Raises:
            NotPossibleError: a step failed; the message has the end of the log.
        """
        self._work.mkdir(mode=0o700)  # apt's proxies may hold passwords
        signed = self._signed(mirrors)
        if base is None:
            self._bootstrap(signed[0])
        else:
            self._step("copying the tree that it extends", _COPY, base, self._folder)
        self._install(signed)
        if self._recipe.folder is not None:
            self._lay_files(self._recipe.folder / FILES)
        if self._recipe.disabled:
            self._step(
                "disabling services that wait",
                _DISABLE,
                self._folder,
                *self._recipe.disabled,
            )
        if self._recipe.folder and (self._recipe.folder / FINISH).is_file():
            self._step("finish.sh", _FINISH, self._folder, self._recipe.folder / FINISH)
        self._sources(mirrors)
        self._step("cleaning up", _CLEAN, self._folder)

    def _bootstrap(self, source: Source) -> None:
        cfg = self._work / "dpkg.cfg"
        cfg.write_text(_TRIM)
        check = f"--keyring={source.signed_by}"
        if ("trusted", "yes") in source.options:
            check = "--no-check-gpg"
        self._step(
            f"fetching Debian {source.suite}",
            _BOOTSTRAP,
            *(check, source.suite, self._folder, source.uri),
        )
        self._step("unpacking Debian", _SECOND_STAGE, self._folder, cfg)

    def _install(self, signed: Sequence[Source]) -> None:
        if not self._recipe.packages:
            return
        (self._folder / "usr/sbin/policy-rc.d").write_text(_POLICY)
        (self._folder / "usr/sbin/policy-rc.d").chmod(0o755)
        (self._work / "none").mkdir()
        (self._work / "sources.list").write_text(
            "".join(f"{source.line}\n" for source in signed)
        )
        (self._work / "apt.conf").write_text(
            _apt_configuration(self._folder, self._work)
        )

        def heard(line: str) -> None:
            if found := _TOTAL.match(line):
                self._tell(f"installing {found[1]} packages")

        self._step(
            "looking for packages",
            INSTALL,
            self._folder,
            self._work / "apt.conf",
            *self._recipe.packages,
            heard=heard,
        )

    def _lay_files(self, files: Path) -> None:
        """Lay the recipe's files over the tree: root's, what starts with #! runs.

        Raises:
            NotPossibleError: a link in the tree leads one out of it.
        """
        for path in sorted(files.rglob("*")):
            name = path.relative_to(files)
            target = self._folder / name
            if not target.parent.resolve().is_relative_to(self._folder.resolve()):
                # This is done outside: /run of the machine would be the one written to.
                raise NotPossibleError(
                    f"The image tree {self._recipe.name} cannot be made: a link leads "
                    f"{name} out of it.",
                    hint=f"Name the folder below {FILES} that {name.parent} leads to.",
                )
            if path.is_dir() and not path.is_symlink():
                if not target.is_symlink():
                    target.mkdir(exist_ok=True)
                continue
            target.unlink(missing_ok=True)
            if path.is_symlink():
                target.symlink_to(path.readlink())
                continue
            shutil.copyfile(path, target)
            with path.open("rb") as file:
                runs = file.read(2) == b"#!"
            target.chmod(0o755 if runs else 0o644)

    def _sources(self, mirrors: Sequence[Source]) -> None:
        """Leave the machine's sources in the tree, for nodes that reach them."""
        folder = self._folder / "etc/apt"
        (folder / "sources.list").unlink(missing_ok=True)
        lines = []
        for source in mirrors:
            plain = Source(
                uri=sources.without_password(source.uri),
                suite=source.suite,
                components=source.components,
            )
            lines.append(f"{plain.line}\n")
        (folder / "sources.list.d").mkdir(exist_ok=True)
        (folder / "sources.list.d/debian.list").write_text("".join(lines))

    def _signed(self, mirrors: Iterable[Source]) -> list[Source]:
        """The sources, each with a binary keyring that gpgv reads."""
        found = []
        for number, source in enumerate(mirrors):
            keyring = self._work / f"keyring-{number}.gpg"
            keyring.write_bytes(keys(source))
            found.append(
                Source(
                    uri=source.uri,
                    suite=source.suite,
                    components=source.components,
                    signed_by=str(keyring),
                    options=source.options,
                )
            )
        return found

    def _tell(self, what: str) -> None:
        seconds = time.monotonic() - self._began
        self._say(f"Building {self._recipe.name}: {what}, {seconds:.0f} s")

    def _step(
        self,
        what: str,
        script: str,
        *arguments: str | Path,
        heard: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._tell(what)
        try:
            self._runner.run(script, *arguments, heard=heard)
        except StepFailedError as error:
            raise refusal(
                f"The image tree {self._recipe.name}",
                error.lines,
                self._runner.log,
                failed=what,
            ) from error


def proxies(uri: str) -> dict[str, str]:
    """Return the environment in which debootstrap fetches as the machine's apt does."""
    found = sources.proxy(uri)
    if not found:
        return {}
    scheme = uri.partition("://")[0]
    return {f"{scheme}_proxy": found}


def keys(source: Source, *, etc: Path = sources.ETC) -> bytes:
    """Return the keys that may sign a source, as one binary keyring.

    Raises:
        NotPossibleError: a keyring that the machine's apt names cannot be read.
    """
    if source.key:
        return _dearmoured(source.key.encode())
    named = [Path(word) for word in re.split(r"[,\s]+", source.signed_by) if word]
    if not named:
        parts = etc / "trusted.gpg.d"
        named = [
            path
            for path in (_KEYRING, etc / "trusted.gpg", *sorted(parts.glob("*")))
            if path.is_file() and path.suffix in (".gpg", ".asc")
        ]
    found = []
    for path in named:
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise NotPossibleError(
                f"apt's keyring {path} cannot be read: {error.strerror}."
            ) from error
        found.append(_dearmoured(raw) if raw.startswith(b"-----BEGIN PGP") else raw)
    return b"".join(found)


def _dearmoured(raw: bytes) -> bytes:
    """The packets of an ASCII-armoured key file (RFC 9580, 6.2)."""
    packets = b""
    for block in re.findall(
        rb"-----BEGIN PGP PUBLIC KEY BLOCK-----(.*?)-----END PGP", raw, re.DOTALL
    ):
        lines = block.replace(b"\r", b"").split(b"\n")
        body = [
            line for line in lines if b":" not in line and not line.startswith(b"=")
        ]
        try:
            packets += base64.b64decode(b"".join(body))
        except binascii.Error:
            continue
    return packets


def _apt_configuration(tree: Path, work: Path) -> str:
    """Our own apt configuration: the machine's way to fetch, the tree's state."""
    own = {
        "Dir::Etc::main": "/dev/null",
        "Dir::Etc::parts": f"{work}/none",
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": f"{work}/none",
        "Dir::Etc::sourcelist": f"{work}/sources.list",
        "Dir::Etc::sourceparts": f"{work}/none",
        "Dir::State": f"{tree}/var/lib/apt",
        "Dir::State::status": f"{tree}/var/lib/dpkg/status",
        "Dir::Cache": f"{tree}/var/cache/apt",
        "Dir::Log": f"{work}/none",
        "DPkg::Chroot-Directory": str(tree),
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Acquire::Retries": "2",
        "Acquire::http::Timeout": "20",
        "Acquire::https::Timeout": "20",
    }
    lines = [f'{name} "{value}";' for name, value in own.items()]
    return sources.fetching() + "\n".join(lines) + "\n"
