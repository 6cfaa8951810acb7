"""/api/v1/balance: what is left."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from api.schema import examples, shapes
from api.views.base import ApiView
from billing.models import Wallet
from common.errors import Code, Rejected
from common.money import quantize


class BalanceView(ApiView):
    """The wallet of the caller's account."""

    scopes = {"GET": "balance"}

    @extend_schema(
        tags=["Account"],
        operation_id="get_balance",
        summary="Read the balance",
        responses={200: shapes.Balance, **shapes.NOT_FOUND, **shapes.READ_RESPONSES},
        examples=examples.BALANCE,
    )
    def get(self, request: Request) -> Response:
        wallet = Wallet.objects.filter(account_id=self.caller(request).account.id).first()
        if wallet is None:
            raise Rejected(Code.NOT_FOUND, "This account has no wallet")
        return Response(
            {
                "ok": True,
                "balance": str(quantize(wallet.balance)),
                "currency": wallet.currency,
                "unlimited": wallet.unlimited,
                "credit_limit": str(quantize(wallet.credit_limit)),
            }
        )
