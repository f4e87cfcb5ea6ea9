"""Documents, and the lock that farmctl takes on a farm's."""

import pytest


def info(one, document):
    return one.xml("document.info", document, False, False)


def lock_of(element):
    lock = element.find("LOCK")
    return None if lock is None else lock.findtext("LOCKED")


def test_two_documents_may_have_one_name(one):
    assert one.document() != one.document()


def test_update_one_merges_and_zero_replaces(one):
    document = one.document('A="1"\nB="2"')
    one("document.update", document, 'B="3"', 1)
    assert [e.text for e in info(one, document).find("TEMPLATE")] == ["1", "3"]
    one("document.update", document, 'C="4"', 0)
    assert [e.tag for e in info(one, document).find("TEMPLATE")] == ["C"]


def test_the_test_flag_makes_the_lock_a_mutex(one):
    document = one.document()
    one("document.lock", document, 3, True)
    taken = info(one, document).findtext("LOCK/TIME")
    assert one.refusal("document.lock", document, 3, True) == (
        2048,
        f"[one.document.lock] {taken}",
    )
    one("document.unlock", document)
    one("document.lock", document, 3, True)


@pytest.mark.parametrize(("level", "shown"), [(1, "1"), (2, "2"), (3, "3"), (4, "1")])
def test_the_lock_is_shown_alone_and_in_the_pool(one, level, shown):
    document = one.document()
    assert lock_of(info(one, document)) is None
    one("document.lock", document, level, True)
    assert lock_of(info(one, document)) == shown
    rows = one.mine("documentpool.info", -2, -1, -1, 4270)
    assert [lock_of(row) for row in rows] == [shown]
    assert info(one, document).findtext("LOCK/OWNER") == "0"


@pytest.mark.parametrize("level", [1, 2, 4])
def test_a_strong_lock_refuses_even_its_owners_changes(one, level):
    document = one.document()
    one("document.lock", document, level, True)
    assert one.refusal("document.update", document, 'BODY="y"', 1) == (
        512,
        f"[one.document.update] User [0] : DOCUMENT is locked. [{document}].",
    )
    assert not one.admin.works("document.delete", document)


def test_under_an_admin_lock_the_document_is_still_written_and_deleted(one):
    document = one.document()
    one("document.lock", document, 3, True)
    one("document.update", document, 'BODY="y"', 1)
    assert info(one, document).findtext("TEMPLATE/BODY") == "y"
    one("document.delete", document)


@pytest.mark.parametrize("level", [0, 5])
def test_there_is_no_other_level(one, level):
    assert one.refusal("document.lock", one.document(), level, True) == (
        2048,
        "[one.document.lock] Wrong lock level specified",
    )


def test_a_tenants_lock_is_opened_by_the_tenant_or_an_admin_only(one):
    tenant = one.tenant()
    mate = one.tenant("mate", one.group_of(tenant))
    document = tenant("document.allocate", f'NAME="{one.name("d")}"', 4270)
    tenant("document.chmod", document, 1, 1, 0, 1, 1, 0, 0, 0, 0)
    tenant("document.lock", document, 3, True)
    assert mate.refusal("document.unlock", document) == (
        2048,
        "[one.document.unlock] Cannot unlock: Lock is owned by another user",
    )
    one("document.unlock", document)
    assert lock_of(info(one, document)) is None


def test_a_tenants_strong_lock_is_refused_in_other_words(one):
    tenant = one.tenant()
    document = tenant("document.allocate", f'NAME="{one.name("d")}"', 4270)
    tenant("document.lock", document, 4, True)
    assert tenant.refusal("document.update", document, 'A="1"', 1) == (
        512,
        (
            f"[one.document.update] User [{tenant.user_id}] : "
            f"Not authorized to perform MANAGE DOCUMENT [{document}]."
        ),
    )
    tenant("document.unlock", document)


def test_an_admin_takes_a_lock_over_without_the_test_flag(one):
    tenant = one.tenant()
    document = tenant("document.allocate", f'NAME="{one.name("d")}"', 4270)
    tenant("document.lock", document, 3, True)
    one("document.lock", document, 3, False)
    assert info(one, document).findtext("LOCK/OWNER") == "0"
    assert tenant.refusal("document.unlock", document)[0] == 2048


def test_unlocking_what_is_open_succeeds_for_an_admin(one):
    document = one.document()
    assert one("document.unlock", document) == document


def test_documents_of_another_type_are_not_in_the_pool(one):
    one("document.allocate", f'NAME="{one.name("other")}"', 4271)
    assert one.mine("documentpool.info", -2, -1, -1, 4270) == []
    for row in one.mine("documentpool.info", -2, -1, -1, 4271):
        one("document.delete", int(row.findtext("ID")))


def test_a_document_holds_a_megabyte(one):
    body = "x" * 2**20
    document = one.document(f'BODY="{body}"')
    assert info(one, document).findtext("TEMPLATE/BODY") == body
