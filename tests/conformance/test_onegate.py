"""OneGate as a guest sees it: its token, READY, and what is not its business."""

import json
import subprocess
import urllib.error
import urllib.request

import pytest


class Gate:
    """One guest's OneGate: `gate("PUT", "/vm", "READY=YES")`."""

    def __init__(self, url, vm, token):
        self.url = url
        self.headers = {"X-ONEGATE-TOKEN": token, "X-ONEGATE-VMID": str(vm)}

    def __call__(self, method, path, body=None, **headers):
        """Ask; return the status and what came, as JSON where it is some."""
        changed = {f"X-ONEGATE-{key.upper()}": value for key, value in headers.items()}
        asked = urllib.request.Request(
            f"{self.url}{path}",
            body.encode() if body is not None else None,
            self.headers | changed,
            method=method,
        )
        try:
            with urllib.request.urlopen(asked, timeout=30) as answer:
                status, text = answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                status, text = error.code, error.read().decode()
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text


def token_of(one, vm):
    return token_of_real(one, vm) if one.target.real else one.target.cloud.token(vm)


def token_of_real(one, vm):
    """The token that OpenNebula puts into the VM's CONTEXT volume.

    AES-256-CBC of `VMID:STIME`, with the first 32 bytes of the owner's TOKEN_PASSWORD
    as the key and zeros as the initialisation vector, in base64.
    """
    info = one.info(vm)
    owner = one.xml("user.info", int(info.findtext("UID")), False)
    key = owner.findtext("TEMPLATE/TOKEN_PASSWORD")[:32].encode()
    command = ["openssl", "enc", "-aes-256-cbc", "-a", "-A", "-K", key.hex()]
    plain = f"{vm}:{info.findtext('STIME')}".encode()
    done = subprocess.run(
        [*command, "-iv", "0" * 32], input=plain, capture_output=True, check=True
    )
    return done.stdout.decode()


@pytest.fixture
def guest(one):
    """A running VM with a token, and its OneGate."""
    if one.target.onegate is None:
        pytest.skip("$CONFORMANCE_ONEGATE is unset: the URL of the target's OneGate")
    vm = one.running('CONTEXT=[TOKEN="YES"]')
    return vm, Gate(one.target.onegate, vm, token_of(one, vm))


def test_the_root_names_what_there_is(one, guest):
    status, answer = guest[1]("GET", "/")
    assert status == 200
    assert sorted(answer) == ["service_info", "vm_info"]


def test_a_guest_sees_itself(one, guest):
    vm, gate = guest
    status, answer = gate("GET", "/vm")
    assert status == 200
    shown = answer["VM"]
    assert (shown["ID"], shown["NAME"]) == (str(vm), one.name("vm"))
    assert (shown["STATE"], shown["LCM_STATE"]) == ("3", "3")


def test_a_guest_reports_ready(one, guest):
    vm, gate = guest
    assert gate("PUT", "/vm", "READY=YES") == (200, "")
    assert one.info(vm).findtext("USER_TEMPLATE/READY") == "YES"
    assert gate("GET", "/vm")[1]["VM"]["USER_TEMPLATE"]["READY"] == "YES"


def test_a_guest_sets_and_removes_attributes(one, guest):
    vm, gate = guest
    assert gate("PUT", "/vm", "SLOTS=6\nJOBS=2") == (200, "")
    assert gate("PUT", "/vm?type=2", "JOBS") == (200, "")
    tags = one.info(vm).find("USER_TEMPLATE")
    assert tags.findtext("SLOTS") == "6"
    assert tags.find("JOBS") is None


def test_a_guest_sees_itself_by_number_but_no_other(one, guest):
    vm, gate = guest
    assert gate("GET", f"/vms/{vm}")[0] == 200
    assert gate("GET", "/vms/9999999") == (
        400,
        (
            "This VM does not belong to any Virtual Router or Service, "
            "so it cannot retrieve information from other VMs"
        ),
    )


def test_a_guest_of_no_service_asks_for_one_in_vain(one, guest):
    assert guest[1]("GET", "/service") == (400, "Empty or invalid SERVICE_ID")


def test_a_guest_that_is_no_router_sees_no_network(one, guest):
    assert guest[1]("GET", "/vnet/0") == (
        400,
        "Virtual networks information can only be retrieved from Virtual Routers.",
    )


@pytest.mark.parametrize("headers", [{"token": "AAAA"}, {"vmid": "9999999"}])
def test_a_wrong_token_or_number_is_not_authorised(one, guest, headers):
    assert guest[1]("GET", "/vm", **headers) == (401, "Not authorized")


def test_somebody_elses_number_is_not_authorised(one, guest):
    other = one.running('CONTEXT=[TOKEN="YES"]', host=1)
    assert guest[1]("GET", "/vm", vmid=str(other)) == (401, "Not authorized")


def test_what_is_no_assignment_is_an_error(one, guest):
    assert guest[1]("PUT", "/vm", "garbage") == (500, "Internal server error")


def test_a_guest_may_power_itself_off(one, guest):
    vm, gate = guest
    body = json.dumps({"action": {"perform": "poweroff"}})
    assert gate("POST", f"/vms/{vm}/action", body) == (204, "")
    one.wait(vm, "POWEROFF")
