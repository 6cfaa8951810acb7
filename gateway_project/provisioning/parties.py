"""Accounts, their credentials and their people as the file wants them."""

from typing import Any

from accounts.audit import entity, facts
from accounts.models import Account, ApiClient, Group, PermissionGroup, Role, SmppClient, User, WebhookEndpoint
from accounts.models.user import PERMISSIONS
from accounts.services import (
    Actor,
    change,
    create_account,
    create_api_client,
    create_permission_group,
    create_smpp_client,
    create_user,
    record,
    set_user_password,
)
from gateway_project.provisioning.items import Item
from gateway_project.provisioning.journal import Entry, Journal
from gateway_project.provisioning.lines import column_values, note_differing
from gateway_project.provisioning.permits import settle_assignment, settle_senders
from gateway_project.provisioning.schema import FULL
from gateway_project.provisioning.secrets import (
    draw_user_password,
    draw_webhook_secret,
    given,
    settle_client_password,
    settle_key,
    settle_readable,
    settle_user_password,
)


def apply_permission_group(item: Item, journal: Journal, actor: Actor) -> None:
    """Create the group or change what differs."""
    row = PermissionGroup.objects.filter(name=item.name).first()
    entry = journal.open(item.kind.label, item.name, new=row is None)
    if row is None:
        values = {"permissions": PERMISSIONS, **column_values(item)}
        active = values.pop("active", True)
        row = create_permission_group(actor=actor, **values)
        if not active:
            change(row=row, actor=actor, active=False)
    elif wanted := note_differing(row, item, entry):
        change(row=row, actor=actor, **wanted)


def apply_account(item: Item, journal: Journal, actor: Actor) -> None:
    """Create the account or change what differs, then everything that it owns. Wallet and parent come later."""
    row = Account.objects.filter(name=item.name).first()
    entry = journal.open(item.kind.label, item.name, new=row is None)
    if row is None:
        row = create_account(actor=actor, **column_values(item))
    elif wanted := note_differing(row, item, entry):
        change(row=row, actor=actor, **wanted)
    _settle_group(row, item, entry, journal, actor)
    settle_assignment(row, item, entry, actor)
    if "senders" in item.values:
        settle_senders(item.values["senders"], row, entry, actor)
    for name, deed in _CHILDREN.items():
        for child in item.children.get(name, ()):
            deed(row, child, journal, actor)


def settle_parent(item: Item, entry: Entry, actor: Actor) -> None:
    """Hang the account under its parent, once all accounts of the file exist."""
    if "parent" not in item.values:
        return
    row = Account.objects.select_related("parent").get(name=item.name)
    before, after = row.parent.name if row.parent else None, item.values["parent"]
    if before != after:
        entry.note("parent", before, after)
        change(row=row, actor=actor, parent=Account.objects.get(name=after) if after else None)


def _settle_group(row: Account, item: Item, entry: Entry, journal: Journal, actor: Actor) -> None:
    if "group" not in item.values:
        return
    before, after = row.group.name if row.group else None, item.values["group"]
    if before == after:
        return
    group = None
    if after is not None:
        group, new = Group.objects.get_or_create(name=after)
        if new:
            journal.open("group", after, new=True)
            record(action="create", entity=entity(group), entity_id=group.pk, details=facts(group), actor=actor)
    entry.note("group", before, after)
    change(row=row, actor=actor, group=group)


def _apply_api_client(account: Account, item: Item, journal: Journal, actor: Actor) -> None:
    row = ApiClient.objects.filter(username=item.name).first()
    entry = journal.open(item.kind.label, item.name, new=row is None)
    if row is None:
        # Without a word in the file there is no rate limit; forms offer 10 (requirements 1C).
        values = {"rate_limit": 0, **_unsigned(item, "webhook_secret", "webhook_secret"), **column_values(item)}
        row, plain = create_api_client(account=account, password=given(item, "password"), actor=actor, **values)
        if given(item, "password") is None:
            journal.drew(entry, "password", plain)
    else:
        if wanted := note_differing(row, item, entry):
            change(row=row, actor=actor, **wanted)
        settle_client_password(row, item, entry, journal, actor)
    _settle_webhook_secret(row, item, entry, journal, actor, {"webhook_secret": "webhook_secret"})
    settle_key(row, item, entry, journal, actor)
    settle_assignment(row, item, entry, actor)


def _apply_smpp_client(account: Account, item: Item, journal: Journal, actor: Actor) -> None:
    row = SmppClient.objects.filter(system_id=item.name).first()
    entry = journal.open(item.kind.label, item.name, new=row is None)
    if row is None:
        values = column_values(item)
        row, plain = create_smpp_client(account=account, password=given(item, "password"), actor=actor, **values)
        if given(item, "password") is None:
            journal.drew(entry, "password", plain)
    else:
        if wanted := note_differing(row, item, entry):
            change(row=row, actor=actor, **wanted)
        settle_client_password(row, item, entry, journal, actor)
    settle_assignment(row, item, entry, actor)


def _apply_webhook(account: Account, item: Item, journal: Journal, actor: Actor) -> None:
    row = WebhookEndpoint.objects.filter(account=account, name=item.name).order_by("pk").first()
    entry = journal.open(item.kind.label, f"{account.name}/{item.name}", new=row is None)
    if row is None:
        row = WebhookEndpoint(account=account, **{**_unsigned(item, "secret", "secret"), **column_values(item)})
        row.full_clean()
        row.save()
        record(action="create", entity=entity(row), entity_id=row.pk, details=facts(row), actor=actor)
    elif wanted := note_differing(row, item, entry):
        change(row=row, actor=actor, **wanted)
    _settle_webhook_secret(row, item, entry, journal, actor, {"secret": "secret"})


def _unsigned(item: Item, key: str, column: str) -> dict[str, str]:
    """No secret of the model's own when the file speaks of one: what is drawn for a file is shown."""
    return {column: ""} if key in item.values else {}


def _settle_webhook_secret(
    row: Any, item: Item, entry: Entry, journal: Journal, actor: Actor, keys: dict[str, str]
) -> None:
    if fresh := settle_readable(row, item, entry, journal, draw_webhook_secret, keys):
        change(row=row, actor=actor, **fresh)


def _apply_member(account: Account, item: Item, journal: Journal, actor: Actor) -> None:
    _apply_person(account, item, journal, actor)


def apply_staff(item: Item, journal: Journal, actor: Actor) -> None:
    """Create the staff member or change what differs."""
    _apply_person(None, item, journal, actor)


def _apply_person(account: Account | None, item: Item, journal: Journal, actor: Actor) -> None:
    row = User.objects.filter(username=item.name).select_related("permission_group").first()
    entry = journal.open(item.kind.label, item.name, new=row is None)
    if row is None:
        _create_person(account, item, entry, journal, actor)
        return
    if wanted := note_differing(row, item, entry):
        change(row=row, actor=actor, **_with_staff_flags(wanted))
    if "permission_group" in item.values:
        _settle_permission_group(row, item, entry, journal, actor)
    settle_user_password(row, item, entry, journal, actor)


def _create_person(account: Account | None, item: Item, entry: Entry, journal: Journal, actor: Actor) -> None:
    values = {"role": Role.ENTERPRISE.value, **column_values(item)}
    group = _permission_group(item.values.get("permission_group"), journal, actor)
    plain = given(item, "password")
    drawn = draw_user_password()
    row = create_user(password=drawn, account=account, permission_group=group, actor=actor, **values)
    if plain is None:
        journal.drew(entry, "password", drawn)
    else:
        # Whoever writes the file may choose a password that the forms would call too simple.
        set_user_password(user=row, password=plain, must_change=row.must_change_password, actor=actor)


def _with_staff_flags(wanted: dict[str, Any]) -> dict[str, Any]:
    """The role alone decides who may enter the admin; a partial save must carry that too."""
    if "role" not in wanted:
        return wanted
    staff = wanted["role"] != Role.ENTERPRISE
    return {**wanted, "is_staff": staff, "is_superuser": wanted["role"] == Role.SUPERADMIN}


def _settle_permission_group(row: User, item: Item, entry: Entry, journal: Journal, actor: Actor) -> None:
    before = row.permission_group.name if row.permission_group else None
    after = item.values["permission_group"]
    if before != after:
        entry.note("permission_group", before, after)
        change(row=row, actor=actor, permission_group=_permission_group(after, journal, actor))


def _permission_group(name: str | None, journal: Journal, actor: Actor) -> PermissionGroup | None:
    if name is None:
        return None
    found = PermissionGroup.objects.filter(name=name).first()
    if found is None and name == FULL:
        journal.open("permission_group", FULL, new=True)
        found = create_permission_group(name=FULL, permissions=PERMISSIONS, actor=actor)
    return found


_CHILDREN = {
    "api_clients": _apply_api_client,
    "smpp_clients": _apply_smpp_client,
    "users": _apply_member,
    "webhooks": _apply_webhook,
}
