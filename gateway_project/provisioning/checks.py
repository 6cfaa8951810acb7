"""What must hold between the objects of the file, and between them and the database, before anything is written."""

from collections.abc import Callable, Iterable

from accounts.models import Account, ApiClient, ApiKey, PermissionGroup, SmppClient, User, WebhookEndpoint
from common.secrets import digest
from connectors.models import Connector
from gateway_project.provisioning.document import Problem
from gateway_project.provisioning.items import Document, Item
from gateway_project.provisioning.readers import nearest
from gateway_project.provisioning.schema import FULL
from routing.models import RoutingProfile

DEFAULT_ORDER = 100  # of a route; as in the model


def check_document(document: Document) -> None:
    """Names once, one default profile: what the file alone shows. Raises Problem."""
    for items in document.sections.values():
        _once(items, lambda item: item.name)
    for name in ("api_clients", "smpp_clients"):
        _once((child for _, child in document.everywhere(name)), lambda item: item.name)
    _once([*(child for _, child in document.everywhere("users")), *document.of("staff")], lambda item: item.name)
    for account in document.of("accounts"):
        _once(account.children.get("webhooks", []), lambda item: item.name)
    for profile in document.of("routing_profiles"):
        _check_routes(profile)
    _check_default(document)
    _check_keys(document)
    _check_parents(document)


def check_against_database(document: Document) -> None:
    """References that lead somewhere, nothing taken from its owner, new objects complete. Raises Problem."""
    _check_references(document)
    _check_owners(document)
    _check_complete(document)


def _once(items: Iterable[Item], key: Callable[[Item], object]) -> None:
    first: dict[object, Item] = {}
    for item in items:
        named = key(item)
        if named in first:
            at = first[named].line
            raise item.problem(item.kind.identity, f"{item.kind.label} {named!r} was named before, at line {at}")
        first[named] = item


def route_key(item: Item) -> tuple[str, int]:
    """What tells the routes of a profile apart."""
    return item.values["prefix"], item.values.get("order", DEFAULT_ORDER)


def _check_routes(profile: Item) -> None:
    first: dict[tuple[str, int], int] = {}
    for route in profile.children.get("routes", []):
        for name in route.kind.required:
            if name not in route.values:
                raise Problem(route.line, f"{route.kind.phrase} needs the key {name!r}")
        prefix, order = key = route_key(route)
        if key in first:
            fault = f"the prefix {prefix!r} with order {order} was named before, at line {first[key]}"
            raise route.problem("prefix", fault)
        first[key] = route.line


def _check_default(document: Document) -> None:
    defaults = [profile for profile in document.of("routing_profiles") if profile.values.get("default")]
    if len(defaults) > 1:
        first, second = defaults[0], defaults[1]
        raise second.problem("default", f"only one profile may be the default; {first.name!r} is already")


def _check_keys(document: Document) -> None:
    first: dict[str, Item] = {}
    for _, client in document.everywhere("api_clients"):
        key = client.values.get("api_key")
        if not isinstance(key, str):
            continue
        if key in first:
            raise client.problem("api_key", f"this api_key is {first[key].name!r}'s already")
        first[key] = client


def _check_parents(document: Document) -> None:
    parents = dict(Account.objects.filter(parent__isnull=False).values_list("name", "parent__name"))
    parents |= {item.name: item.values["parent"] for item in document.of("accounts") if "parent" in item.values}
    for item in document.of("accounts"):
        seen, above = {item.name}, parents.get(item.name)
        while above:
            if above in seen:
                raise item.problem("parent", f"account {item.name!r} would be its own parent")
            seen.add(above)
            above = parents.get(above)


def _check_references(document: Document) -> None:
    connectors = _names(document, "connectors", Connector)
    for _, route in document.everywhere("routes"):
        for name in route.values["connectors"]:
            _must_exist(route, "connectors", "connector", name, connectors)
    profiles, accounts = _names(document, "routing_profiles", RoutingProfile), _names(document, "accounts", Account)
    groups = _names(document, "permission_groups", PermissionGroup) | {FULL}
    for item in _owners_of_references(document):
        _must_exist(item, "routing_profile", "routing profile", item.values.get("routing_profile"), profiles)
        _must_exist(item, "parent", "account", item.values.get("parent"), accounts)
        _must_exist(item, "permission_group", "permission group", item.values.get("permission_group"), groups)


def _owners_of_references(document: Document) -> Iterable[Item]:
    yield from document.of("accounts")
    for name in ("api_clients", "smpp_clients", "users"):
        yield from (child for _, child in document.everywhere(name))


def _names(document: Document, section: str, model: type) -> set[str]:
    stored = model.objects.values_list("name", flat=True)  # type: ignore[attr-defined]
    return {item.name for item in document.of(section)} | set(stored)


def _must_exist(item: Item, key: str, word: str, name: str | None, known: set[str]) -> None:
    if name is not None and name not in known:
        raise item.problem(key, f"no {word} {name[:60]!r}{nearest(name, known)}")


def _check_owners(document: Document) -> None:
    clients = _owner_names(ApiClient, "username")
    systems = _owner_names(SmppClient, "system_id")
    people = _owner_names(User, "username")
    for owners, list_name in ((clients, "api_clients"), (systems, "smpp_clients"), (people, "users")):
        for account, item in document.everywhere(list_name):
            _must_belong(item, owners, account.name)
    for item in document.of("staff"):
        _must_belong(item, people, None)
    _check_key_owners(document)


def _owner_names(model: type, identity: str) -> dict[str, str | None]:
    return dict(model.objects.values_list(identity, "account__name"))  # type: ignore[attr-defined]


def _must_belong(item: Item, owners: dict[str, str | None], wanted: str | None) -> None:
    owner = owners.get(item.name, wanted)
    if owner != wanted:
        whose = f"account {owner!r}" if owner else "the staff"
        raise item.problem(item.kind.identity, f"{item.kind.label} {item.name!r} belongs to {whose}")


def _check_key_owners(document: Document) -> None:
    for _, client in document.everywhere("api_clients"):
        given = client.values.get("api_key")
        if isinstance(given, str):
            owner = ApiKey.objects.filter(key_hash=digest(given)).values_list("api_client__username", flat=True).first()
            if owner not in (None, client.name):
                raise client.problem("api_key", f"this api_key is {owner!r}'s already")


def _check_complete(document: Document) -> None:
    for section, model, identity in (("connectors", Connector, "name"), ("staff", User, "username")):
        stored = set(model.objects.values_list(identity, flat=True))
        for item in document.of(section):
            if item.name not in stored:
                _must_have(item, item.kind.required)
    stored_groups = set(PermissionGroup.objects.values_list("name", flat=True)) | {FULL}
    for item in document.of("permission_groups"):
        if item.name not in stored_groups:
            _must_have(item, ("permissions",))
    hooks = set(WebhookEndpoint.objects.values_list("account__name", "name"))
    for account, item in document.everywhere("webhooks"):
        if (account.name, item.name) not in hooks:
            _must_have(item, item.kind.required)


def _must_have(item: Item, keys: Iterable[str]) -> None:
    for key in keys:
        if key not in item.values:
            raise Problem(item.line, f"{item.kind.phrase} that is new needs the key {key!r}")
