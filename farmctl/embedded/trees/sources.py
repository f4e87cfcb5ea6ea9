"""The machine's own Debian mirror: what its apt is told in `/etc/apt`.

farmctl names no mirror. It takes the sources of the machine that it runs on, in either
of apt's two formats, with the keyring that each is signed by. What is not Debian's is
passed over; a machine on another release lends its mirror all the same.
"""

import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from farmctl.errors import NotPossibleError

ETC = Path("/etc/apt")

RELEASES = (
    *("bullseye", "bookworm", "trixie", "forky", "duke"),
    *("oldoldstable", "oldstable", "stable", "testing", "sid", "unstable"),
)
"""The names under which a Debian mirror carries a release."""

_COMPONENTS = ("main",)
_PARTS = ("", "-updates", "-security")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One suite of one mirror."""

    uri: str
    suite: str
    components: tuple[str, ...] = _COMPONENTS
    signed_by: str = ""
    """A keyring's absolute path, or nothing: what apt trusts by itself."""
    key: str = ""
    """A key that stands in the source itself, in ASCII armour."""
    options: tuple[tuple[str, str], ...] = ()
    """`trusted` and `check-valid-until`, if the machine says so."""

    @property
    def line(self) -> str:
        """The source as a line of `sources.list`."""
        options = [f"{name}={value}" for name, value in self.options]
        if self.signed_by:
            options.append(f"signed-by={self.signed_by}")
        shown = f"[{' '.join(options)}] " if options else ""
        return f"deb {shown}{self.uri} {self.suite} {' '.join(self.components)}"


def debian(suite: str, *, etc: Path = ETC) -> tuple[Source, ...]:
    """Return the machine's sources of one release of Debian, the release itself first.

    Its updates and security updates follow, where the machine has those of any release.

    Raises:
        NotPossibleError: the machine's apt knows no mirror of Debian.
    """
    found: dict[str, Source] = {}
    # The sources of this very release count before those of another.
    known = sorted(configured(etc), key=lambda source: _release(source.suite) != suite)
    for source in known:
        release = _release(source.suite)
        if release not in RELEASES or not set(source.components) >= set(_COMPONENTS):
            continue
        part = source.suite.removeprefix(release)
        if part in _PARTS and part not in found:
            found[part] = replace(source, suite=suite + part, components=_COMPONENTS)
    if "" not in found:
        raise NotPossibleError(
            f"This machine's apt knows no mirror of Debian, and the image tree needs "
            f"Debian {suite}.",
            hint=f"Add a Debian source below {etc}, or give a root file system tarball "
            "as the image.",
        )
    return tuple(found[part] for part in _PARTS if part in found)


def configured(etc: Path = ETC) -> Iterator[Source]:
    """Yield what the machine's apt is told to fetch packages from, in apt's order."""
    folder = etc / "sources.list.d"
    for file in (etc / "sources.list", *sorted(folder.glob("*"))):
        if not file.is_file():
            continue
        text = file.read_text(encoding="utf-8", errors="replace")
        if file.suffix == ".list":
            yield from _lines(text)
        elif file.suffix == ".sources":
            yield from _stanzas(text)


def _release(suite: str) -> str:
    return suite.strip("/").partition("-")[0].partition("/")[0]


def _lines(text: str) -> Iterator[Source]:
    for line in text.splitlines():
        rest = line.partition("#")[0].strip()
        kind, _, rest = rest.partition(" ")
        if kind != "deb":
            continue
        options: dict[str, str] = {}
        rest = rest.strip()
        if rest.startswith("["):
            inside, _, rest = rest[1:].partition("]")
            for word in inside.split():
                name, _, value = word.partition("=")
                options[name.lower()] = value
        words = rest.split()
        if len(words) > 1:
            yield _source(words[0], words[1], words[2:], options)


def _stanzas(text: str) -> Iterator[Source]:
    for stanza in _paragraphs(text):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza:
            if line[0] in " \t":
                fields[name] = f"{fields.get(name, '')}\n{line.strip()}"
            else:
                name, _, value = line.partition(":")
                name = name.strip().lower()
                fields[name] = value.strip()
        if "deb" not in fields.get("types", "").split():
            continue
        if fields.get("enabled", "yes").lower() in ("no", "false", "0"):
            continue
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield _source(uri, suite, fields.get("components", "").split(), fields)


def _paragraphs(text: str) -> Iterator[list[str]]:
    lines: list[str] = []
    for line in (*text.splitlines(), ""):
        if line.startswith("#"):
            continue
        if line.strip():
            lines.append(line)
        elif lines:
            yield lines
            lines = []


def _source(
    uri: str, suite: str, components: Iterable[str], options: Mapping[str, str]
) -> Source:
    signed_by = options.get("signed-by", "")
    return Source(
        uri=uri,
        suite=suite,
        components=tuple(components),
        signed_by=signed_by if signed_by.startswith("/") else "",
        # A lone dot is an empty line in deb822.
        key="" if "BEGIN PGP" not in signed_by else signed_by.replace("\n.\n", "\n\n"),
        options=tuple(
            (name, options[name])
            for name in ("trusted", "check-valid-until")
            if name in options
        ),
    )


def fetching() -> str:
    """Return how the machine's apt fetches: proxies, retries, certificates.

    It is text for an apt configuration of our own, so that nothing else of the
    machine's, such as a hook after each installation, takes part.
    """
    wanted = ("Acquire::", "Dir::Etc::netrc", "Dir::Etc::trusted")
    unwanted = ("Acquire::IndexTargets", "Acquire::Languages", "Acquire::GzipIndexes")
    lines = []
    for line in _output("apt-config", "dump").splitlines():
        name, _, value = line.partition(" ")
        if value != '"";' and name.startswith(wanted) and not name.startswith(unwanted):
            lines.append(line)
    return "\n".join(lines) + "\n"


def without_password(uri: str) -> str:
    """Return a source's address without the user and password that may stand in it."""
    scheme, sign, rest = uri.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{sign}{host.rpartition('@')[2]}{slash}{path}"


def proxy(uri: str) -> str:
    """Return the proxy that apt would take for `uri`, empty if it takes none."""
    scheme, _, rest = uri.partition("://")
    host = rest.partition("/")[0].partition("@")[2] or rest.partition("/")[0]
    name = f"Acquire::{scheme}"
    output = _output(
        *("apt-config", "--format", "%F=%v%n", "dump", "--no-empty"),
    )
    values = dict(line.partition("=")[::2] for line in output.splitlines())
    found = values.get(f"{name}::Proxy::{host.partition(':')[0]}")
    if found is None:
        detect = values.get(f"{name}::Proxy-Auto-Detect") or values.get(
            f"{name}::ProxyAutoDetect"
        )
        found = _output(detect, uri).strip() if detect else ""
        found = found or values.get(f"{name}::Proxy", "")
    return "" if found.upper() == "DIRECT" else found


def _output(*command: str) -> str:
    try:
        return subprocess.run(  # noqa: S603 - apt's own configuration names it
            command, check=True, capture_output=True, text=True, timeout=30
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
