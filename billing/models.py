"""What it costs: one balance an account, and every movement of it, for ever."""

from django.db import models
from django.db.models import F, Q

from accounts.models import Account, ApiClient
from common.ids import new_id
from common.money import MoneyField


class Reason(models.TextChoices):
    CHARGE = "charge"
    REFUND = "refund"
    TOP_UP = "top_up"
    DEBIT = "debit"
    ADJUSTMENT = "adjustment"


class Book(models.TextChoices):
    """The other side of every movement; these accounts have no stored balance (reliability 5)."""

    CUSTOMER = "customer"
    REVENUE = "revenue"
    TOP_UPS = "top_ups"
    ADJUSTMENTS = "adjustments"


class Wallet(models.Model):
    """The balance of an account. Only `billing.wallets` writes it, always last in a transaction."""

    account = models.OneToOneField(Account, models.PROTECT, primary_key=True, related_name="wallet")
    balance = MoneyField(default=0)
    credit_limit = MoneyField(default=0)
    unlimited = models.BooleanField(default=False, help_text="The credit check is skipped; use is still counted.")
    currency = models.CharField(max_length=3, default="CRD")

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="never_below_the_credit_limit",
                condition=Q(unlimited=True) | Q(balance__gte=-F("credit_limit")),
            ),
            models.CheckConstraint(name="credit_limit_is_not_negative", condition=Q(credit_limit__gte=0)),
        ]

    def __str__(self) -> str:
        return f"{self.account_id}: {self.balance}"


class LedgerEntry(models.Model):
    """One transfer between two books; never changed, never deleted (a trigger refuses it)."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    key = models.CharField(max_length=80, unique=True, help_text="chg:<id>, ref:<part>, top:<account>:<nonce> …")
    account = models.ForeignKey(Account, models.PROTECT, related_name="ledger")
    debit = models.CharField(max_length=12, choices=Book.choices)
    credit = models.CharField(max_length=12, choices=Book.choices)
    amount = MoneyField()
    before = MoneyField(help_text="The account's balance before")
    after = MoneyField(help_text="The account's balance after")
    reason = models.CharField(max_length=12, choices=Reason.choices)
    reference = models.CharField(max_length=80, blank=True, help_text="The charge that a refund belongs to …")
    parts = models.PositiveIntegerField(default=0)
    description = models.CharField(max_length=200, blank=True)
    source = models.CharField(max_length=20, blank=True)
    actor = models.CharField(max_length=150, blank=True)
    # Whose spending cap the charge used; loose, so that a client may go while the ledger stays.
    api_client = models.ForeignKey(
        ApiClient, models.DO_NOTHING, null=True, blank=True, db_constraint=False, db_index=False, related_name="+"
    )
    created_at = models.DateTimeField()

    class Meta:
        verbose_name = "ledger entry"
        verbose_name_plural = "transaction ledger"
        ordering = ["-id"]
        indexes = [models.Index(fields=["account", "-id"]), models.Index(fields=["reference"])]
        constraints = [models.CheckConstraint(name="amounts_are_positive", condition=Q(amount__gt=0))]

    def __str__(self) -> str:
        return f"{self.reason} {self.amount}"


class ClientSpending(models.Model):
    """What an API client with a spending cap has used of it."""

    api_client = models.OneToOneField(ApiClient, models.CASCADE, primary_key=True, related_name="spending")
    spent = MoneyField(default=0)

    class Meta:
        verbose_name = "spending of an API account"
        verbose_name_plural = "spending of API accounts"

    def __str__(self) -> str:
        return f"{self.api_client_id}: {self.spent}"


class LedgerSeal(models.Model):
    """The hash-chain head of a closed day: a changed or missing entry no longer fits it (I8)."""

    day = models.DateField(primary_key=True)
    entries = models.PositiveBigIntegerField()
    head = models.CharField(max_length=64)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.day} {self.head[:12]}"
