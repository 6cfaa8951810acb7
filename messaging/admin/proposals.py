from collections.abc import Callable

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe

from accounts.admin.log import actor_of
from common.staff import ReadOnlyAdmin
from common.unfold import ChoicesDropdownFilter, display
from messaging.models import IdRuleProposal
from messaging.receipts import doctor

_COLOURS = {"OPEN": "warning", "ACCEPTED": "success", "REJECTED": "danger", "WITHDRAWN": "info"}

Decision = Callable[..., IdRuleProposal]


@admin.register(IdRuleProposal)
class IdRuleProposalAdmin(ReadOnlyAdmin):
    """What the DLR doctor proposes: to accept or to reject, never to edit."""

    nothing_yet = "Nothing to decide: no carrier reports ids in a form that a rule would bring home."
    list_display = (
        "carrier_account",
        "rule",
        "before",
        "shown_state",
        "agreeing",
        "unmatched",
        "answer_format",
        "receipt_format",
        "rehomed",
        "created_at",
        "decided_by",
        "decided_at",
    )
    list_filter = (("state", ChoicesDropdownFilter),)
    search_fields = ("carrier_account__istartswith",)
    exclude = ("samples",)
    readonly_fields = ("pairs",)
    actions = ("accept", "reject")

    @display(description="samples: answer, receipt, end of the number")
    def pairs(self, proposal: IdRuleProposal) -> str:
        lines = ((pair["answer"], pair["receipt"], pair["number"]) for pair in proposal.samples)
        return format_html_join(mark_safe("<br>"), "<code>{} ↔ {}</code> ({})", lines)

    @display(description="state", label=_COLOURS)
    def shown_state(self, proposal: IdRuleProposal) -> str:
        return proposal.state

    @admin.action(description="Accept: the connectors get the rule, receipts find their messages")
    def accept(self, request: HttpRequest, queryset: QuerySet[IdRuleProposal]) -> None:
        self._decide(doctor.accept, request, queryset, "accepted")

    @admin.action(description="Reject: leave it as it is")
    def reject(self, request: HttpRequest, queryset: QuerySet[IdRuleProposal]) -> None:
        self._decide(doctor.reject, request, queryset, "rejected")

    def _decide(self, decide: Decision, request: HttpRequest, queryset: QuerySet[IdRuleProposal], words: str) -> None:
        for proposal in queryset:
            try:
                decide(proposal, actor=actor_of(request))
                self.tell(request, [f"{proposal.carrier_account} {proposal.rule}"], words)
            except doctor.AlreadyDecided as error:
                self.message_user(request, str(error), messages.ERROR)
