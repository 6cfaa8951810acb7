from django.db import models
from django.db.models import Q

from connectors.models import IdRule


class IdRuleProposal(models.Model):
    """What the DLR doctor found: a rule by which receipts of a carrier account would meet their messages."""

    class State(models.TextChoices):
        OPEN = "OPEN"
        ACCEPTED = "ACCEPTED"
        REJECTED = "REJECTED"
        WITHDRAWN = "WITHDRAWN"  # the receipts say so no longer

    carrier_account = models.CharField(max_length=64)
    rule = models.CharField(max_length=12, choices=IdRule.choices)
    before = models.CharField(max_length=120)  # rules of its connectors when it was found, by comma
    state = models.CharField(max_length=9, choices=State.choices, default=State.OPEN)
    agreeing = models.PositiveIntegerField(help_text="Messages that receipts would meet under this rule alone")
    unmatched = models.PositiveIntegerField(help_text="Receipts without a message that were looked at")
    answer_format = models.CharField(max_length=40)
    receipt_format = models.CharField(max_length=40)
    samples = models.JSONField(default=list, help_text="Pairs of ids, with the last four digits of the number")
    created_at = models.DateTimeField()
    checked_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True)
    decided_by = models.CharField(max_length=150, blank=True)
    # After acceptance: receipts from before this moment have had their look, so many met their message, it goes on.
    looked_to = models.DateTimeField(null=True)
    rehomed = models.PositiveIntegerField(default=0)
    rehoming = models.BooleanField(default=False)

    class Meta:
        verbose_name = "receipt id proposal"
        verbose_name_plural = "receipt id proposals (DLR doctor)"
        ordering = ["-id"]
        indexes = [models.Index(fields=["carrier_account", "-id"], name="proposal_carrier")]
        constraints = [
            models.UniqueConstraint(
                fields=["carrier_account"], condition=Q(state="OPEN"), name="one_open_proposal_a_carrier"
            )
        ]

    def __str__(self) -> str:
        return f"{self.carrier_account}: {self.rule}"
