import os

import pytest

from farmctl.errors import InputError
from farmctl.spec import read_farm, read_site


def mistake_of(read, path):
    with pytest.raises(InputError) as caught:
        read(path)
    [mistake] = caught.value.mistakes
    return mistake


def test_a_farm_file_is_read_with_its_places(tmp_path, farm_text):
    path = tmp_path / "alice-wn.yaml"
    path.write_text(farm_text)
    farm = read_farm(path)
    assert farm.name == "alice-wn"
    assert farm.origin.file == str(path)
    assert farm.origin.place("pools", "wn", "count", "max") == (16, 26)
    assert farm.origin.place("pools", "wn", "readiness") == (12, 5)
    assert farm.origin.place("router", "forwards", 0, "to") == (8, 35)


def test_a_byte_order_mark_is_no_mistake(tmp_path, site_text):
    path = tmp_path / "site.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + site_text.encode())
    assert read_site(path).name == "torino"


def test_dos_line_ends_are_no_mistake(tmp_path, farm_text):
    path = tmp_path / "farm.yaml"
    path.write_bytes(farm_text.replace("\n", "\r\n").encode())
    assert read_farm(path).origin.place("lease", "expires_in") == (17, 21)


def test_a_missing_file_is_named(tmp_path):
    mistake = mistake_of(read_farm, tmp_path / "nowhere.yaml")
    assert mistake.message == "there is no such file."
    assert mistake.file == str(tmp_path / "nowhere.yaml")


def test_a_directory_is_no_file(tmp_path):
    assert mistake_of(read_site, tmp_path).message == "is a directory."


def test_a_path_through_a_file_cannot_be_read(tmp_path):
    (tmp_path / "file").write_text("")
    mistake = mistake_of(read_farm, tmp_path / "file" / "farm.yaml")
    assert mistake.message == "cannot be read: Not a directory."


def test_a_file_that_may_not_be_read_says_so(tmp_path):
    path = tmp_path / "farm.yaml"
    path.write_text("farm: a")
    path.chmod(0)
    me, nobody = os.geteuid(), 65534
    os.seteuid(nobody if me == 0 else me)  # root may read every file
    try:
        mistake = mistake_of(read_farm, path)
    finally:
        os.seteuid(me)
    assert mistake.message == "you may not read this file."


def test_a_nul_in_the_path_is_a_mistake():
    assert "cannot be read" in mistake_of(read_farm, "farm\0.yaml").message


def test_a_byte_that_is_not_utf_8_has_a_place(tmp_path):
    path = tmp_path / "farm.yaml"
    path.write_bytes("farm: a\n# naïv é".encode() + b"\xff\n")
    mistake = mistake_of(read_farm, path)
    assert (mistake.line, mistake.column) == (2, 9)
    assert mistake.message == "byte 0xff is not UTF-8."


def test_a_file_above_one_mebibyte_is_refused(tmp_path):
    path = tmp_path / "farm.yaml"
    path.write_text("#" * (1024 * 1024 + 1))
    assert mistake_of(read_farm, path).message.startswith("is larger than 1 MiB")
