import base64
import json
import shutil
import stat
import subprocess

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from farmctl.context import contexts, render
from farmctl.errors import NotPossibleError
from farmctl.model.nodes import Role

KINDS = [
    (Role.ROUTER, "", "openwrt"),
    (Role.ROUTER, "", "debian"),
    (Role.HEAD, "", "openwrt"),
    (Role.WORKER, "wn", "openwrt"),
]


def script(context):
    return base64.b64decode(context["START_SCRIPT_BASE64"]).decode()


def test_a_worker_is_told_what_it_is(site, draw_farm):
    context = render(site, draw_farm(variables={"VO": "alice"}), Role.WORKER, "wn")
    start = context.pop("START_SCRIPT_BASE64")
    assert base64.b64decode(start).startswith(b"#!/bin/sh\n")
    assert context == {
        "NETWORK": "YES",
        "TOKEN": "YES",
        "SET_HOSTNAME": "$NAME",
        "FARMCTL_SITE": "torino",
        "FARMCTL_FARM": "alice-wn",
        "FARMCTL_KIND": "batch",
        "FARMCTL_ROLE": "worker",
        "FARMCTL_POOL": "wn",
        "FARMCTL_DOMAIN": "alice-wn.farm.example.org",
        "FARMCTL_BATCH": "slurm",
        "FARMCTL_VALUES_BASE64": "eyJWTyI6ImFsaWNlIn0=",
        "REPORT_READY": "YES",
        "READY_SCRIPT": "dGVzdCAtZSAvcnVuL2Zhcm1jdGwvcmVhZHk=",
        "SSH_PUBLIC_KEY": site.admin.ssh_keys[0],
    }


def test_each_kind_of_node_has_a_context(site, draw_farm):
    found = contexts(site, draw_farm())
    assert {key: each["FARMCTL_ROLE"] for key, each in found.items()} == {
        "router": "router",
        "head": "head",
        "wn": "worker",
    }
    assert list(contexts(site, draw_farm(kind="pilot", head=None, batch=None))) == [
        "router",
        "wn",
    ]


def test_a_node_that_is_up_when_it_runs_reports_nothing(site, draw_farm):
    farm = draw_farm(
        head={"image": "el9", "cpus": 1, "memory": "1GiB", "readiness": "running"}
    )
    assert "REPORT_READY" not in render(site, farm, Role.HEAD)
    assert "REPORT_READY" in render(site, farm, Role.ROUTER)


def test_keys_of_site_and_farm_are_joined_once_each(site, draw_farm):
    first = site.admin.ssh_keys[0]
    second = first.replace("tina", "otto")
    farm = draw_farm(ssh_keys=[second, first])
    context = render(site, farm, Role.HEAD)
    assert context["SSH_PUBLIC_KEY"] == f"{first}\n{second}"


def test_equal_farms_have_equal_contexts(site, draw_farm):
    one = draw_farm(variables={"A": "1", "B": "2"})
    other = draw_farm(variables={"B": "2", "A": "1"})
    assert contexts(site, one) == contexts(site, other)


def test_the_count_of_a_pool_is_no_part_of_its_context(site, draw_farm):
    pool = {"image": "el9", "cpus": 6, "memory": "15GiB"}
    one = draw_farm(pools={"wn": {**pool, "count": 2}})
    other = draw_farm(pools={"wn": {**pool, "count": {"min": 0, "max": 9}}})
    assert contexts(site, one) == contexts(site, other)


@pytest.mark.parametrize("size", [65_000])
def test_large_values_travel_whole(site, draw_farm, boot, read_back, size):
    text = "\u05e9" * (size // 2)
    root, done = boot(render(site, draw_farm(variables={"V": text}), Role.HEAD))
    assert done.returncode == 0
    assert read_back(root, "V") == [text]


def test_what_quoting_makes_too_large_is_refused(site, draw_farm):
    farm = draw_farm(variables={"V": "'" * 65_000})
    with pytest.raises(NotPossibleError, match=r"START_SCRIPT_BASE64 .* would have"):
        render(site, farm, Role.HEAD)


def test_host_names_too_long_for_dns_are_refused(site, draw_farm):
    far = site.model_copy(update={"domain": ".".join(["d" * 59] * 3)})
    with pytest.raises(NotPossibleError, match="DNS takes 253"):
        contexts(far, draw_farm(farm="f" * 40))


@pytest.mark.parametrize(("role", "pool", "flavour"), KINDS)
def test_a_start_script_is_clean_shell(site, draw_farm, role, pool, flavour, tmp_path):
    farm = draw_farm(
        router={"image": "openwrt", "flavour": flavour},
        variables={"HOSTILE": "'\"$(id)`id`\n\\"},
    )
    path = tmp_path / "start"
    path.write_text(script(render(site, farm, role, pool)))
    subprocess.run(["sh", "-n", str(path)], check=True)
    if checker := shutil.which("shellcheck"):
        done = subprocess.run(
            [checker, "-s", "sh", "-e", "SC1003,SC2016", str(path)],
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.stdout == ""


@pytest.mark.parametrize(("role", "pool", "flavour"), KINDS)
def test_a_start_script_runs_twice_and_changes_nothing_more(
    site, draw_farm, boot, read_back, role, pool, flavour, tmp_path
):
    farm = draw_farm(
        router={"image": "openwrt", "flavour": flavour}, variables={"VO": "alice"}
    )
    context = render(site, farm, role, pool)
    root, done = boot(context)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")

    def tree():
        return {
            each.relative_to(root).as_posix(): (
                each.read_bytes(),
                each.stat().st_mtime_ns,
            )
            for each in root.rglob("*")
            if each.is_file() and each.name != "ready"
        }

    before = tree()
    subprocess.run(
        ["sh", str(tmp_path / "start")],
        check=True,
        env={
            "PATH": "/usr/bin:/bin",
            "FARMCTL_ROOT": str(root),
            "SET_HOSTNAME": "alice-wn-wn-001",
            "ETH0_IP": "172.16.40.1",
        },
    )
    assert tree() == before
    assert (root / "run/farmctl/ready").exists()
    assert read_back(root, "VO", "FARMCTL_ROLE", "FARMCTL_FQDN") == [
        "alice",
        role.value,
        "alice-wn-wn-001.alice-wn.farm.example.org",
    ]


def test_a_node_knows_its_own_address(site, draw_farm, boot):
    root, _ = boot(render(site, draw_farm(), Role.WORKER, "wn"))
    assert (root / "etc/hosts").read_text() == (
        "172.16.40.1 alice-wn-wn-001.alice-wn.farm.example.org alice-wn-wn-001"
        " # farmctl\n"
    )
    assert (root / "etc/hostname").read_text() == "alice-wn-wn-001\n"


@pytest.mark.parametrize("shell", [("sh",), ("bash", "--posix"), ("busybox", "ash")])
def test_hostile_variables_arrive_in_every_shell(
    site, draw_farm, boot, read_back, shell
):
    if shutil.which(shell[0]) is None:
        pytest.skip(f"{shell[0]} is not installed")
    texts = {
        "A": "'; touch /pwned; '",
        "B": '"$(touch /pwned)"`id`',
        "C": "\n'a\n\n'b'\n",
        "D": "\\",
        "E": "\u202eevil \N{PILE OF POO}",
        "F": "",
        "G": "&/\\1",
    }
    farm = draw_farm(variables=texts)
    root, done = boot(render(site, farm, Role.WORKER, "wn"), shell=shell)
    assert done.stderr == b""
    assert read_back(root, *texts) == list(texts.values())


def test_hooks_get_the_values_and_decide_whether_the_node_is_ready(
    site, draw_farm, tmp_path, boot
):
    farm = draw_farm(variables={"VO": "two words"})
    context = render(site, farm, Role.WORKER, "wn")
    hooks = tmp_path / "guest-0/etc/farmctl/hooks/worker.d"
    hooks.mkdir(parents=True)
    (hooks / "10-note").write_text('#!/bin/sh\necho "$VO" >"$FARMCTL_ROOT/note"\n')
    (hooks / "20-fail").write_text("#!/bin/sh\nexit 3\n")
    for each in hooks.iterdir():
        each.chmod(stat.S_IRWXU)
    root, done = boot(context)
    assert done.returncode == 1
    assert done.stderr == b"farmctl: 20-fail failed with status 3\n"
    assert (root / "note").read_text() == "two words\n"
    assert not (root / "run/farmctl/ready").exists()


@pytest.mark.parametrize("name", ["$(id)", "-n", "a/b", "a b"])
def test_a_name_that_is_no_host_name_stops_the_script(site, draw_farm, boot, name):
    root, done = boot(render(site, draw_farm(), Role.HEAD), name=name)
    assert done.returncode == 1
    assert b"is no host name" in done.stderr
    assert not (root / "run/farmctl/ready").exists()


TEXTS = st.one_of(
    st.text(max_size=60),
    st.lists(
        st.sampled_from(["'", '"', "$(id)", "`id`", "\n", "\\", "\0", "a", "]", "]]>"]),
        max_size=8,
    ).map("".join),
)
FIELDS = st.sampled_from(["farm", "pool", "variable", "name", "image", "key"])


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@example(field="variable", text="\n")
@example(field="variable", text="a\n")
@example(field="key", text="$NAME")
@example(field="farm", text="x" * 65_536)
@given(field=FIELDS, text=TEXTS)
def test_hostile_text_is_refused_or_arrives(
    site, draw_farm, boot, read_back, field, text
):
    pool = {"image": "el9", "cpus": 1, "memory": "1GiB", "count": 1}
    key = f"{site.admin.ssh_keys[0]} {text}"
    change, name = {
        "farm": ({"farm": text}, "FARMCTL_FARM"),
        "pool": ({"pools": {text: pool}}, "FARMCTL_POOL"),
        "variable": ({"variables": {"V": text}}, "V"),
        "name": ({"variables": {text: "value"}}, text),
        "image": ({"head": {"image": text, "cpus": 1, "memory": "1GiB"}}, ""),
        "key": ({"ssh_keys": [key]}, ""),
    }[field]
    try:
        farm = draw_farm(**change)
        context = contexts(site, farm)[next(iter(farm.pools))]
    except (ValidationError, NotPossibleError):
        return
    allowed_dollar = {"SET_HOSTNAME"}
    assert not [
        each
        for each, value in context.items()
        if "$" in value and each not in allowed_dollar
    ]
    root, done = boot(context)
    assert done.returncode == 0, done.stderr
    if name:
        wanted = "value" if field == "name" else text
        assert read_back(root, name) == [wanted]
    values = json.loads(base64.b64decode(context["FARMCTL_VALUES_BASE64"]))
    assert values == dict(farm.variables)


def test_nothing_secret_is_in_a_context(site, draw_farm):
    for context in contexts(site, draw_farm()).values():
        assert not {"PASSWORD", "PASSWORD_BASE64", "CRYPTED_PASSWORD"} & set(context)
