"""What an account or a credential may use: a routing profile, senders, credits."""

from decimal import Decimal

from accounts.audit import entity
from accounts.models import Account, ApiClient, SmppClient
from accounts.services import Actor, record
from billing.models import Wallet
from billing.services import open_wallet, set_terms, top_up
from common.secrets import digest
from gateway_project.provisioning.items import Item
from gateway_project.provisioning.journal import Entry, Journal
from gateway_project.provisioning.lines import column_values, note_differing
from routing.models import RoutingProfile, SenderId
from routing.services import assign_profile, register_sender, unassign_profile

_LONGEST_NONCE = 50  # billing.services


def settle_assignment(row: Account | ApiClient | SmppClient, item: Item, entry: Entry, actor: Actor) -> None:
    """Let the row use the profile that the file names; null: none of its own."""
    if "routing_profile" not in item.values:
        return
    current = getattr(row, "profile_assignment", None)
    before, after = current.profile.name if current else None, item.values["routing_profile"]
    if before == after:
        return
    entry.note("routing_profile", before, after)
    details = {"routing_profile": [before, after]}
    record(action="assign_profile", entity=entity(row), entity_id=row.pk, details=details, actor=actor)
    if after is None:
        unassign_profile(from_=row)
    else:
        assign_profile(profile=RoutingProfile.objects.get(name=after), to=row)


def settle_senders(wanted: list[str], account: Account | None, entry: Entry, actor: Actor) -> None:
    """Let exactly these senders be active; others of the same owner are switched off, not deleted."""
    rows = list(SenderId.objects.filter(account=account))
    before = sorted(row.value for row in rows if row.active)
    if before == sorted(wanted):
        return
    for value in wanted:
        register_sender(value=value, account=account)
    for row in rows:
        if row.active and row.value not in wanted:
            row.active = False
            row.save(update_fields=["active"])
    entry.note("senders", before, sorted(wanted))
    owner = account.pk if account else ""
    details = {"senders": [before, sorted(wanted)]}
    record(action="register_senders", entity="senderid", entity_id=owner, details=details, actor=actor)


def settle_wallet(item: Item, entry: Entry, journal: Journal, actor: Actor) -> None:
    """Open the wallet with its opening credits when the account is new; else change the terms that differ."""
    account = Account.objects.get(name=item.name)
    wallet = Wallet.objects.filter(account=account).first()
    if wallet is None:
        open_wallet(account=account, **column_values(item, "wallet"))
    elif wanted := note_differing(wallet, item, entry, "wallet"):
        terms = {"unlimited": wallet.unlimited, "credit_limit": wallet.credit_limit, **wanted}
        before = {name: str(getattr(wallet, name)) for name in wanted}
        details = {name: [before[name], str(value)] for name, value in wanted.items()}
        record(action="change", entity="wallet", entity_id=account.pk, details=details, actor=actor)
        set_terms(account=account, **terms)
    credits = item.values.get("credits", Decimal(0))
    if entry.sign == "+" and credits > 0:
        top_up(account=account, amount=credits, nonce=_nonce(account.name), actor=actor.name, description="Opening")
        journal.open("credits", f"{account.name} {credits.normalize():f}", new=True)


def _nonce(name: str) -> str:
    nonce = f"provision:{name}"
    return nonce if len(nonce) <= _LONGEST_NONCE else f"provision:{digest(name)[:40]}"
