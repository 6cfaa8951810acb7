"""One row, or eight, of every model that the admin shows; secrets among them are planted so that they are found."""

import uuid
from collections.abc import Callable
from typing import Any

from django.utils import timezone

from accounts import models as accounts
from billing import models as billing
from common.ids import derive, new_id
from connectors import models as connectors
from inbound import models as inbound
from messaging import models as messaging
from routing import models as routing
from tests.support import cast

PLANTED = "planted-Secret-7f3a"


def planted(name: str) -> str:
    """A secret that can be told apart in a page."""
    return f"{PLANTED}-{name}"


def account() -> accounts.Account:
    return cast.make_account(group=accounts.Group.objects.create(name=cast.unique("group")))


def connector() -> connectors.Connector:
    return cast.make_connector(password=planted("carrier"), tls_key=planted("tls"))


def client() -> accounts.ApiClient:
    return cast.make_client(account(), webhook_secret=planted("webhook"), spending_cap="5")


def key() -> accounts.ApiKey:
    cast.make_key(client(), planted(cast.unique("key")))
    return accounts.ApiKey.objects.latest("pk")


def staff_key() -> accounts.StaffKey:
    return accounts.StaffKey.objects.create(
        user=cast.make_user(), prefix="staff_abc", key_hash=uuid.uuid4().hex, scopes=["read"]
    )


def message() -> messaging.Message:
    owner = client()
    return messaging.Message.objects.create(
        account=owner.account,
        api_client=owner,
        source="api",
        sender="GATEWAY",
        recipient=cast.NUMBER,
        content="hello",
        encoding="gsm",
        parts=1,
        lane="transactional",
        status="QUEUED",
        connector=connector(),
        created_at=timezone.now(),
    )


def part() -> messaging.Part:
    whole = message()
    return messaging.Part.objects.create(
        id=derive(whole.pk, 1),
        message=whole,
        seq=1,
        connector=whole.connector,
        lane=whole.lane,
        status="SUBMITTED",
        submitted_at=timezone.now(),
        provider_id="abc",
    )


def receipt() -> messaging.Receipt:
    of = part()
    return messaging.Receipt.objects.create(
        connector=of.connector,
        carrier_account="c",
        provider_id="abc",
        provider_key="abc",
        state="MATCHED",
        part=of,
        status="DELIVERED",
        raw="00",
        received_at=timezone.now(),
    )


def delivery() -> messaging.Delivery:
    about = message()
    return messaging.Delivery.objects.create(
        id=derive(about.pk, 1001),
        account=about.account,
        subject=about.pk,
        kind="dlr",
        url="https://example.com",
        body="{}",
        created_at=timezone.now(),
    )


def client_bind() -> accounts.ClientBind:
    now = timezone.now()
    return accounts.ClientBind.objects.create(
        id=new_id(), smpp_client=cast.make_smpp_client(account()), mode="transceiver", version=0x34,
        address="127.0.0.1", port=40000, server="here:1", since=now, seen_at=now,
    )  # fmt: skip


def audit_entry() -> accounts.AuditEntry:
    return accounts.AuditEntry.objects.create(user=cast.make_user(), actor="ann", action="create", entity="account")


def hop() -> routing.RouteConnector:
    cast.make_profile(connector())
    return routing.RouteConnector.objects.latest("pk")


def assignment() -> routing.ProfileAssignment:
    cast.make_profile(connector(), assigned_to=account())
    return routing.ProfileAssignment.objects.latest("pk")


def seal() -> billing.LedgerSeal:
    day = timezone.now().date() - timezone.timedelta(days=billing.LedgerSeal.objects.count())
    return billing.LedgerSeal.objects.create(day=day, entries=1, head="0" * 64)


def bind(model: Any, **values: Any) -> Any:
    return model.objects.create(connector=connector(), bind_no=0, **values)


def now() -> Any:
    return timezone.now()


MAKE: dict[str, Callable[[], Any]] = {
    "accounts.Account": account,
    "accounts.ApiClient": client,
    "accounts.ApiKey": key,
    "accounts.AuditEntry": audit_entry,
    "accounts.ClientBind": client_bind,
    "accounts.Group": lambda: account().group,
    "accounts.PermissionGroup": lambda: accounts.PermissionGroup.objects.create(
        name=cast.unique("rights"), permissions=["send_sms"]
    ),
    "accounts.SmppClient": lambda: cast.make_smpp_client(account()),
    "accounts.StaffKey": staff_key,
    "accounts.User": lambda: cast.make_user(account()),
    "accounts.WebhookEndpoint": lambda: cast.make_endpoint(account(), "https://x.test", secret=planted("endpoint")),
    "billing.ClientSpending": lambda: billing.ClientSpending.objects.create(api_client=client(), spent="1"),
    "billing.LedgerEntry": lambda: account().ledger.get(),
    "billing.LedgerSeal": seal,
    "billing.Wallet": lambda: account().wallet,
    "connectors.AnswerCount": lambda: connectors.AnswerCount.objects.create(
        connector=connector(), minute=now(), command_status=0, count=3
    ),
    "connectors.BindLease": lambda: bind(connectors.BindLease),
    "connectors.BindState": lambda: bind(connectors.BindState, state="bound", last_submit_at=now()),
    "connectors.Connector": lambda: bind(connectors.BindState, state="bound").connector,
    "connectors.ConnectorProfile": lambda: connector().profile,
    "connectors.CredentialCheck": lambda: connectors.CredentialCheck.objects.create(connector=connector()),
    "inbound.InboundMessage": lambda: inbound.InboundMessage.objects.create(
        connector=connector(),
        account=account(),
        source=cast.NUMBER,
        destination="4321",
        content="STOP",
        encoding="gsm",
        raw="00",
        received_at=now(),
    ),
    "messaging.Attempt": lambda: messaging.Attempt.objects.create(
        part=(of := part()),
        message=of.message,
        number=1,
        connector=of.connector,
        outcome="temporary",
        ended_at=now(),
    ),
    "messaging.Delivery": delivery,
    "messaging.DeliveryAttempt": lambda: messaging.DeliveryAttempt.objects.create(
        delivery=delivery(), number=1, at=now(), code=500
    ),
    "messaging.IdRuleProposal": lambda: messaging.IdRuleProposal.objects.create(
        carrier_account=cast.unique("carrier"),
        rule="hex_to_dec",
        before="as_is",
        agreeing=20,
        unmatched=25,
        answer_format="hex",
        receipt_format="decimal",
        samples=[],
        created_at=now(),
        checked_at=now(),
    ),
    "messaging.IdempotencyKey": lambda: messaging.IdempotencyKey.objects.create(
        account=account(), key=uuid.uuid4().hex, request_hash="0", response="{}", created_at=now()
    ),
    "messaging.LineBatch": lambda: messaging.LineBatch.objects.create(
        connector=connector(), bind_no=0, received_at=now(), pdus="00,01"
    ),
    "messaging.Message": message,
    "messaging.MessageEvent": lambda: messaging.MessageEvent.objects.create(
        message=message(), at=now(), kind="conflict"
    ),
    "messaging.OutboxBatch": lambda: messaging.OutboxBatch.objects.create(
        connector=connector(), lane="bulk", parts=new_id().hex, created_at=now()
    ),
    "messaging.Part": part,
    "messaging.Receipt": receipt,
    "messaging.ReceiptSeen": lambda: messaging.ReceiptSeen.objects.create(
        connector=connector(), digest=uuid.uuid4().bytes, seen_at=now()
    ),
    "messaging.TrafficCount": lambda: messaging.TrafficCount.objects.create(
        hour=now(), account=account(), connector=connector(), measure="accepted"
    ),
    "messaging.WireLog": lambda: messaging.WireLog.objects.create(
        kind="connector", key=connector().pk, process="host:1", since=now(), until=now(), count=0, entries=b""
    ),
    "routing.MtRoute": lambda: hop().route,
    "routing.ProfileAssignment": assignment,
    "routing.RouteConnector": hop,
    "routing.RoutingProfile": lambda: cast.make_profile(connector()),
    "routing.SenderId": lambda: routing.SenderId.objects.create(value=f"S{cast.unique('')[-9:]}", account=account()),
}
