import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from farmctl.spec import ssh_keys, text
from farmctl.spec.text import Wrong


@pytest.mark.parametrize(
    "check",
    [
        text.farm_name,
        text.pool_name,
        text.forward_name,
        text.site_name,
        text.forward_target,
        text.image_key,
        text.domain,
        text.interface,
        text.address,
        text.network,
        text.variable_name,
        text.endpoint,
    ],
)
@given(written=st.text())
@example(written="a\n")
@example(written="a'\n\toption evil 'yes")
@example(written="a$(id)")
@example(written='a"]')
@example(written="http://x/\n")
@example(written="١٩٢.0.2.1")
def test_what_is_taken_as_a_name_holds_nothing_that_any_language_reads(check, written):
    try:
        taken = check(written)
    except Wrong as wrong:
        assert wrong.message  # noqa: PT017 - either is right
    else:
        assert re.fullmatch(r"[\x21-\x7e]+", taken) or check is text.endpoint
        assert not re.search(r"[\s\0]", taken)
        if check is not text.endpoint:
            assert not re.search(r"[\"'`$\\;|&<>(){}\[\]*?~#!]", taken)


@given(st.text())
@example("x]]>")
@example("x ")
@example("\ud83d")
@example("🐄")
def test_an_opennebula_name_is_one_that_opennebula_gives_back(written):
    try:
        taken = text.one_name(written)
    except Wrong:
        return
    assert taken == written == written.strip()
    assert 0 < len(taken) <= 128
    assert all(ord(char) <= 0xFFFF for char in taken)
    assert not set(taken) & set("\"'$</|;&\\\t\n\r\0")


@pytest.mark.parametrize("name", ["wn-el9-2026-11", "a b (c) [d]", "naïve"])
def test_names_as_people_give_them_are_taken(name):
    assert text.one_name(name) == name


def test_keys_of_every_usual_type_are_taken(make_key):
    keys = [
        make_key("ssh-ed25519", bytes(32)) + " alice@example.org",
        make_key("ssh-rsa", b"\1\0\1", b"\0" + b"\xff" * 256),
        make_key("ecdsa-sha2-nistp256", b"nistp256", b"\4" + bytes(64)) + " a b",
        make_key("sk-ssh-ed25519@openssh.com", bytes(32), b"ssh:"),
    ]
    assert [ssh_keys.ssh_key(key) for key in keys] == keys


def test_white_space_round_a_key_is_dropped(ed25519):
    assert ssh_keys.ssh_key(f"  {ed25519}   me@here \n") == f"{ed25519} me@here"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda key: key[:-6], "damaged"),
        (lambda key: key.replace("ssh-ed25519", "ssh-rsa"), "damaged"),
        (lambda key: f'command="id" {key}', "does not begin with a type"),
        (lambda key: f"{key} $(id)", "holds more than it may"),
        (lambda key: f"{key} a'b", "holds more than it may"),
        (lambda key: f"{key} x\n{key}", "holds more than it may"),
        (lambda key: key.replace("ssh-ed25519", "ssh-dss"), "does not begin"),
        (lambda _: "-----BEGIN OPENSSH PRIVATE KEY-----", "private key"),
        (lambda _: "ssh-rsa", "damaged"),
    ],
)
def test_a_key_that_is_none_is_refused(ed25519, spoil, said):
    with pytest.raises(Wrong) as caught:
        ssh_keys.ssh_key(spoil(ed25519))
    assert said in caught.value.message


def test_a_short_rsa_key_is_refused(make_key):
    with pytest.raises(Wrong):
        ssh_keys.ssh_key(make_key("ssh-rsa", b"\1\0\1", b"\0" + b"\xff" * 128))


@given(st.text())
def test_no_text_is_a_key_by_chance(written):
    with pytest.raises(Wrong):
        ssh_keys.ssh_key(written)


def test_no_message_repeats_a_password():
    with pytest.raises(Wrong) as caught:
        text.endpoint("https://oneadmin:opennebula@one.example.org/RPC2")
    assert "opennebula@" not in str(caught.value)


@pytest.mark.parametrize(
    "domain", ["farm.test", "site.local", "x.invalid", "a.onion", "localhost", "b.bind"]
)
def test_a_domain_that_dnsmasq_never_forwards_is_refused(domain):
    with pytest.raises(Wrong) as caught:
        text.domain(domain)
    assert "never forwards" in caught.value.message


@pytest.mark.parametrize(
    "name", ["PATH", "ETH0_IP", "START_SCRIPT", "FARMCTL_X", "LD_PRELOAD", "IFS"]
)
def test_a_variable_that_a_node_has_a_use_for_is_refused(name):
    with pytest.raises(Wrong):
        text.variable_name(name)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"])))
def test_free_text_comes_through_unchanged(written):
    assert text.free_text(written) == written
