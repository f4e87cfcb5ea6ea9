"""Recipes, the machine's mirror, the cache and tarballs: what needs no root."""

import base64
import io
import os
import subprocess
import tarfile

import pytest

from farmctl.embedded import trees
from farmctl.embedded.trees import contained, debian, recipes, sources, store, tarballs
from farmctl.embedded.trees.sources import Source
from farmctl.errors import InputError, NotPossibleError

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


@pytest.fixture
def recipe(tmp_path):
    """Write a recipe and read it."""

    def write(text, name="mine", files=(), finish=""):
        folder = tmp_path / "recipes" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "recipe.yaml").write_text(text)
        for path, content in dict(files).items():
            (folder / "files" / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / "files" / path).write_text(content)
        if finish:
            (folder / "finish.sh").write_text(finish)
        return recipes.read(str(folder), architecture="x86_64")

    return write


@pytest.fixture
def etc(tmp_path):
    """Write what apt is told, and return its folder."""

    def write(**files):
        folder = tmp_path / "apt"
        (folder / "sources.list.d").mkdir(parents=True)
        for name, text in files.items():
            file = name.replace("__", ".")
            at = folder if file == "sources.list" else folder / "sources.list.d"
            (at / file).write_text(text)
        return folder

    return write


def listening():
    said = []
    return said, said.append


def test_our_own_recipes_are_read_and_build_on_one_another():
    assert recipes.known() == ("debian-12", "debian-batch-12")
    batch = recipes.read("debian-batch-12", architecture="x86_64")
    layers = []
    layer = batch
    while layer is not None:
        layers.append(layer.name)
        layer = layer.base
    assert layers == [
        "debian-batch-12",
        "debian-batch-12-packages",
        "debian-12",
        "debian-12-packages",
    ]
    assert batch.suite == "bookworm"
    assert "munge" in batch.disabled


def test_an_unknown_recipe_names_the_nearest():
    with pytest.raises(NotPossibleError) as caught:
        trees.tree("tree:debian12", cache="", say=print)
    assert str(caught.value) == (
        "There is no image recipe 'debian12'. Did you mean 'debian-12'?"
    )


def test_a_recipe_tells_all_its_mistakes_at_once(recipe):
    with pytest.raises(InputError) as caught:
        recipe(
            "suite: bookworm\nextends: debian-12\npackage: [x]\n"
            "packages: [ok, '-y', 7]\ndisabled: ssh\nmegabytes: much\n"
        )
    assert [(mistake.path, mistake.message) for mistake in caught.value.mistakes] == [
        ("package", "is not known."),
        (
            "",
            "has to name either a `suite` of Debian or the recipe that it `extends`.",
        ),
        ("megabytes", "is no number of megabytes."),
        ("packages", "'-y' is no name of a package."),
        ("packages", "7 is no name of a package."),
        ("disabled", "is no list of services."),
    ]


def test_a_recipe_that_is_no_yaml_names_the_line(recipe):
    with pytest.raises(InputError) as caught:
        recipe("suite: bookworm\npackages: [a\n")
    assert caught.value.mistakes[0].line == 3


def test_a_recipe_may_extend_its_neighbour_but_not_itself(recipe):
    recipe("suite: trixie\n", name="ground")
    assert recipe("extends: ground\n", name="above").suite == "trixie"
    with pytest.raises(InputError, match="goes round in a circle"):
        recipe("extends: mine\n")


def test_the_checksum_rests_on_all_that_goes_in(recipe):
    def keys(text="suite: bookworm\npackages: [aa]\n", **more):
        found = recipe(text, **more)
        return found.checksum, found.base.checksum

    first = keys(files={"etc/a": "1"})
    assert keys() == first
    changed = keys(files={"etc/a": "2"})
    assert changed[0] != first[0]
    assert changed[1] == first[1], "the packages are still the same"
    assert keys("suite: bookworm\npackages: [bb]\n")[1] != first[1]
    assert keys("suite: trixie\npackages: [aa]\n")[1] != first[1]
    assert keys("about: other words\nsuite: bookworm\npackages: [aa]\n") == changed
    assert keys(finish="true\n")[0] != changed[0]


def test_the_mirror_is_taken_from_deb822_with_its_keyring(etc):
    folder = etc(
        debian__sources=f"""\
# a comment
Types: deb deb-src
URIs: http://mirror.example.org/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: {KEYRING}

Types: deb
URIs: http://mirror.example.org/security
Suites: bookworm-security
Components: main
Trusted: yes

Types: deb
URIs: http://off.example.org/debian
Suites: bookworm
Components: main
Enabled: no
""",
        others__list="deb https://packages.example.com/apt tool-bookworm main\n",
    )
    found = sources.debian("bookworm", etc=folder)
    assert [source.line for source in found] == [
        f"deb [signed-by={KEYRING}] http://mirror.example.org/debian bookworm main",
        f"deb [signed-by={KEYRING}] http://mirror.example.org/debian "  # noqa: ISC004
        "bookworm-updates main",
        "deb [trusted=yes] http://mirror.example.org/security bookworm-security main",
    ]


def test_a_key_that_stands_in_the_source_is_taken(etc):
    body = base64.b64encode(b"packets").decode()
    folder = etc(
        debian__sources=f"""\
Types: deb
URIs: http://mirror.example.org/debian
Suites: bookworm
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 {body}
 =abcd
 -----END PGP PUBLIC KEY BLOCK-----
"""
    )
    (source,) = sources.debian("bookworm", etc=folder)
    assert debian.keys(source) == b"packets"


def test_a_machine_of_another_release_lends_its_mirror(etc):
    folder = etc(
        sources__list="""\
deb cdrom:[Debian]/ stable contrib
deb [arch=amd64 signed-by=/k.gpg] http://mirror.example.org/debian trixie main non-free
deb-src http://mirror.example.org/debian trixie main
deb http://mirror.example.org/security trixie-security main # with a comment
"""
    )
    assert [source.line for source in sources.debian("bookworm", etc=folder)] == [
        "deb [signed-by=/k.gpg] http://mirror.example.org/debian bookworm main",
        "deb http://mirror.example.org/security bookworm-security main",
    ]


def test_a_machine_without_debian_says_what_to_do(etc):
    folder = etc(sources__list="deb http://mirror.example.org/ubuntu noble main\n")
    with pytest.raises(NotPossibleError, match="knows no mirror of Debian") as caught:
        sources.debian("bookworm", etc=folder)
    assert "tarball" in caught.value.hint


def test_a_key_in_armour_is_read_as_gpgv_wants_it(tmp_path):
    packets = bytes(range(200))
    armoured = (
        b"-----BEGIN PGP PUBLIC KEY BLOCK-----\nComment: a key\n\n"
        + base64.encodebytes(packets)
        + b"=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n"
    )
    (tmp_path / "a.asc").write_bytes(armoured)
    (tmp_path / "b.gpg").write_bytes(b"\x99binary")
    source = Source(
        uri="http://mirror.example.org",
        suite="bookworm",
        signed_by=f"{tmp_path}/a.asc, {tmp_path}/b.gpg",
    )
    assert debian.keys(source) == packets + b"\x99binary"
    gone = Source(uri="", suite="", signed_by=str(tmp_path / "gone.gpg"))
    with pytest.raises(NotPossibleError, match=r"gone\.gpg cannot be read"):
        debian.keys(gone)


def builder_of(made, tmp_path):
    tree, work = tmp_path / "tree", tmp_path / "work"
    (tree / "etc/apt").mkdir(parents=True)
    runner = contained.Runner(log=tmp_path / "log", folder=tmp_path, lock=-1)
    return debian.Builder(
        made, folder=tree, work=work, runner=runner, say=lambda _line: None
    )


def test_no_password_of_the_machines_mirror_gets_into_a_tree(recipe, tmp_path):
    builder = builder_of(recipe("suite: bookworm"), tmp_path)
    uri = "https://farm:s3cret@mirror.example.org/debian"
    builder._sources([Source(uri=uri, suite="bookworm")])
    text = (tmp_path / "tree/etc/apt/sources.list.d/debian.list").read_text()
    assert text == "deb https://mirror.example.org/debian bookworm main\n"


def test_a_recipes_file_goes_nowhere_but_into_the_tree(recipe, tmp_path):
    made = recipe("suite: bookworm", files={"var/run/mine": "x", "lib/good": "y"})
    builder = builder_of(made, tmp_path)
    machine, tree = tmp_path / "machine", tmp_path / "tree"
    machine.mkdir()
    (tree / "usr/lib").mkdir(parents=True)
    (tree / "var").mkdir()
    (tree / "lib").symlink_to("usr/lib")
    (tree / "var/run").symlink_to(machine)
    with pytest.raises(NotPossibleError, match="a link leads var/run/mine out of it"):
        builder._lay_files(made.folder / "files")
    assert list(machine.iterdir()) == []
    assert (tree / "usr/lib/good").read_text() == "y"


def test_a_tree_is_whole_or_not_there(tmp_path):
    def half(folder):
        (folder / "tree/etc").mkdir()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), store.building(tmp_path, "a-1") as folder:
        half(folder)
    assert list(tmp_path.iterdir()) == []
    with store.building(tmp_path, "a-1") as folder:
        (folder / "tree/etc").mkdir()
        (folder / "work").mkdir()
    assert (store.found(tmp_path, "a-1") / "etc").is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["a-1"]


def test_the_next_build_removes_what_a_killed_one_left(tmp_path):
    rubbish = tmp_path / ".building-a-1-4711"
    (rubbish / "tree/etc").mkdir(parents=True)
    with store.locked(tmp_path, "a-1", print), store.building(tmp_path, "a-1"):
        assert not rubbish.exists()


def test_one_builds_while_another_waits(tmp_path):
    said, say = listening()
    other = subprocess.Popen(
        ["flock", str(tmp_path / ".a-1.lock"), "sh", "-c", "echo held; read _"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with other:
        assert other.stdout.readline() == b"held\n"

        def told(line):
            say(line)
            other.stdin.close()

        with store.locked(tmp_path, "a-1", told):
            assert said == ["Waiting for another process that builds a-1"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"QFI\xfb" + bytes(600), "is a qcow2 disk image"),
        (b"just words", "is no tarball"),
        (b"", "is no tarball"),
    ],
)
def test_what_is_no_tarball_is_told_apart(tmp_path, content, told):
    file = tmp_path / "image.tar.gz"
    file.write_bytes(content)
    with pytest.raises(NotPossibleError, match=told):
        trees.tree(str(file), cache=tmp_path / "cache", say=print)
    assert not (tmp_path / "cache").exists()


def test_an_image_that_is_not_there_is_told(tmp_path):
    with pytest.raises(NotPossibleError, match="there is no such file"):
        trees.tree(str(tmp_path / "no.tar"), cache=tmp_path, say=print)
    with pytest.raises(NotPossibleError, match="it is a folder"):
        trees.tree(str(tmp_path), cache=tmp_path, say=print)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may")
def test_only_root_may_make_a_tree(tmp_path):
    file = tmp_path / "a.tar"
    with tarfile.open(file, "w") as archive:
        archive.addfile(tarfile.TarInfo("etc"), io.BytesIO())
    with pytest.raises(NotPossibleError, match="root only") as caught:
        trees.tree(str(file), cache=tmp_path, say=print)
    assert "dummy" in caught.value.hint


def test_a_missing_program_names_its_package():
    with pytest.raises(NotPossibleError) as caught:
        contained.need_programs({"sh": "dash", "no-such-program": "its-package"})
    assert str(caught.value) == (
        "This machine has no no-such-program. Install it: apt-get install its-package"
    )


def test_a_full_disk_is_told_before(tmp_path):
    with pytest.raises(NotPossibleError, match=r"takes \d+ MB, and the disk of"):
        contained.need_space(tmp_path, 10**12, "Building it")


@pytest.mark.parametrize(
    ("log", "told"),
    [
        ("tar: write error: No space left on device", "is full"),
        ("E: Failed getting release file x", "does not answer"),
        ("dpkg: error", "unpacking failed"),
    ],
)
def test_a_failure_is_told_from_the_end_of_its_log(tmp_path, log, told):
    file = tmp_path / "a.log"
    lines = ["first"] * 40 + [log]
    found = contained.refusal("The image tree a", lines, file, failed="unpacking")
    assert told in found.message
    assert f"    {log}\nThe whole log: {file}." in found.message
    assert found.message.count("first") == 11


def test_links_lead_where_they_would_with_the_tree_as_root(tmp_path):
    tree = tmp_path / "tree"
    (tree / "usr/bin").mkdir(parents=True)
    (tree / "usr/bin/busybox").write_text("")
    (tree / "bin").symlink_to("usr/bin")
    (tree / "usr/bin/sh").symlink_to("/bin/busybox")
    (tree / "up").symlink_to("../../../../usr/bin/sh")
    (tree / "round").symlink_to("round")
    assert tarballs.inside(tree, "/bin/sh") == tree / "usr/bin/busybox"
    assert tarballs.inside(tree, "/up") == tree / "usr/bin/busybox"
    assert tarballs.inside(tree, "/round") is None
    assert tarballs.inside(tree, "/bin") is None


def test_a_program_tells_its_architecture(tmp_path):
    file = tmp_path / "sh"
    file.write_bytes(b"\x7fELF\x02\x01" + bytes(12) + b"\xb7\x00")
    assert tarballs.machine_of(file) == "aarch64"
    file.write_bytes(b"\x7fELF\x01\x02" + bytes(12) + b"\x00\x08")
    assert tarballs.machine_of(file) == "mips"
    file.write_bytes(b"#!/bin/busybox sh\n")
    assert tarballs.machine_of(file) == ""
