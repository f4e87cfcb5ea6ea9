"""ACL rules, and the ones that groups get by themselves."""

from farmctl.embedded import render
from farmctl.embedded.calls.registry import Answer, method
from farmctl.embedded.cloud import Cloud
from farmctl.embedded.entities import Rule
from farmctl.embedded.permissions import (
    GROUP,
    INDIVIDUAL,
    KINDS,
    Caller,
    rule_text,
)
from farmctl.embedded.pools import missing
from farmctl.embedded.refusal import internal, unauthorised


def add_rule(
    cloud: Cloud, user: int, resource: int, rights: int, zone: int = INDIVIDUAL
) -> int:
    """Add a rule in OpenNebula's bits and return its id."""
    rule_id = cloud.pools.new_id(Rule)
    cloud.pools.add(
        Rule(
            id=rule_id,
            name="",
            user=user,
            resource=resource,
            rights=rights,
            zone=zone,
        )
    )
    return rule_id


def find_rule(cloud: Cloud, user: int, resource: int, rights: int) -> Rule | None:
    """Return the rule that says this of the one zone, None where there is none."""
    wanted = (user, resource, rights, INDIVIDUAL)
    for rule in cloud.pools.rules:
        if (rule.user, rule.resource, rule.rights, rule.zone) == wanted:
            return rule
    return None


def drop_group_rules(cloud: Cloud, group_id: int) -> None:
    """Drop the rules about a group that is gone."""
    for rule in list(cloud.pools.rules):
        about = rule.resource & 0xFFFFFFFFF == GROUP | group_id
        if rule.user == GROUP | group_id or about:
            cloud.pools.remove(rule)


def drop_user_rules(cloud: Cloud, user_id: int) -> None:
    """Drop the rules of a user that is gone."""
    for rule in list(cloud.pools.rules):
        if rule.user == INDIVIDUAL | user_id:
            cloud.pools.remove(rule)


@method("one.acl.addrule", "sss|s")
def add(  # noqa: PLR0917  # OpenNebula's own
    cloud: Cloud, caller: Caller, user: str, resource: str, rights: str, zone: str = ""
) -> Answer:
    """Add a rule, each part in hexadecimal."""
    _admin(caller)
    try:
        parts = [int(part, 16) for part in (user, resource, rights, zone or "0")]
    except ValueError:
        raise internal("Unable to parse the rule: it is not in hexadecimal") from None
    parts[3] = parts[3] or INDIVIDUAL
    for rule in cloud.pools.rules:
        if [rule.user, rule.resource, rule.rights, rule.zone] == parts:
            raise internal(f"Rule {rule_text(rule)} already exists")
    if not parts[1] & sum(KINDS.values()) or not parts[2]:
        raise internal("Wrong rule: it names no resource or no right")
    return add_rule(cloud, *parts)


@method("one.acl.delrule", "i")
def delete(cloud: Cloud, caller: Caller, rule_id: int) -> Answer:
    """Delete a rule."""
    _admin(caller)
    rule = cloud.pools.rules.find(rule_id)
    if rule is None:
        raise missing(Rule, rule_id)
    cloud.pools.remove(rule)
    return rule_id


@method("one.acl.info")
def info(cloud: Cloud, caller: Caller) -> Answer:
    """Show all rules, by user."""
    _admin(caller)
    rules = sorted(cloud.pools.rules, key=lambda rule: (rule.user, rule.id))
    return f"<ACL_POOL>{''.join(map(render.rule, rules))}</ACL_POOL>"


def _admin(caller: Caller) -> None:
    if not caller.is_admin():
        raise unauthorised(caller.uid, "Not authorized to perform MANAGE ACL")
