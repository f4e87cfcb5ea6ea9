"""The XML-RPC layer itself: versions, wrong calls, objects that are not there."""

import pytest


def test_the_version_is_one_that_farmctl_knows(one):
    assert one("system.version").startswith(("6.10.", "7."))


def test_an_unknown_method_is_a_fault(one):
    assert one.refusal("nonsense.call") == (
        -506,
        "Method 'one.nonsense.call' not defined",
    )


def test_a_wrong_type_and_a_missing_argument_are_faults(one):
    code, message = one.refusal("vm.info", "x", False)
    assert (code, message) == (-501, "Parameter that is supposed to be integer is not")
    assert one.refusal("vm.info") == (-501, "Not enough parameters")


@pytest.mark.parametrize(
    ("method", "arguments", "noun"),
    [
        ("vm.info", (False,), "virtual machine"),
        ("vn.info", (False,), "virtual network"),
        ("template.info", (False, False), "virtual machine template"),
        ("document.info", (False, False), "document"),
        ("host.info", (False,), "host"),
        ("user.info", (False,), "user"),
        ("group.info", (False,), "group"),
        ("datastore.info", (False,), "datastore"),
        ("image.info", (False,), "image"),
        ("secgroup.info", (False,), "security group"),
        ("cluster.info", (False,), "cluster"),
    ],
)
def test_what_is_not_there_is_named(one, method, arguments, noun):
    assert one.refusal(method, 9999999, *arguments) == (
        1024,
        f"[one.{method}] Error getting {noun} [9999999].",
    )


def test_a_refusal_names_its_object(one):
    answer = one.admin.proxy.one.vm.info(one.admin.auth, 9999999, False)
    assert answer[0] is False
    assert answer[2:] == [1024, 9999999, -1]


def test_an_unknown_user_is_not_authenticated(one):
    nobody = one.session("nobody:x")
    assert nobody.refusal("hostpool.info") == (
        256,
        "[one.hostpool.info] User couldn't be authenticated, aborting call.",
    )
    without = one.session("")
    assert without.refusal("system.version")[0] == 256


def test_an_empty_password_is_refused(one):
    assert one.refusal("user.allocate", one.name("u"), "", "core", []) == (
        8192,
        "[one.user.allocate] Invalid password, it cannot be empty.",
    )


def test_the_configuration_is_shown(one):
    config = one.xml("system.config")
    assert config.tag == "OPENNEBULA_CONFIGURATION"
    assert config.findtext("DEFAULT_UMASK") == "177"


def test_accounting_shows_each_stay_of_a_vm(one):
    vm = one.running()
    one("vm.recover", vm, 3)
    one.wait(vm, "DONE")
    rows = one.xml("vmpool.accounting", -2, -1, -1)
    mine = [row for row in rows if row.findtext("OID") == str(vm)]
    assert [row.findtext("SEQ") for row in mine] == ["0"]
    assert mine[0].findtext("VM/NAME") == one.name("vm")


def test_filtering_by_value_is_not_for_sqlite(one):
    if one.xml("system.config").findtext("DB/BACKEND") not in {None, "sqlite"}:
        pytest.skip("the target keeps its data in MySQL")
    code, message = one.refusal("vmpool.infoextended", -2, -1, -1, -1, "A=b")
    assert code == 8192
    assert message == (
        "[one.vmpool.infoextended] "
        "JSON query search is not supported by the SQL backend"
    )
