"""Routes of the API; `Dispatcher` hands the sending ones to the fast lane before Django sees them."""

from django.urls import path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from api.views.balance import BalanceView
from api.views.messages import MessagesView, MessageView, TraceView
from api.views.sending import PanelSendView, SendView
from api.views.staff_key import StaffKeyView

urlpatterns = [
    path("api/v1/http-send", SendView.as_view(), name="http-send"),
    path("panel/api/v1/send", PanelSendView.as_view(), name="panel-send"),
    path("api/v1/messages", MessagesView.as_view(), name="messages"),
    path("api/v1/messages/<str:message_id>", MessageView.as_view(), name="message"),
    path("api/v1/messages/<str:message_id>/trace", TraceView.as_view(), name="message-trace"),
    path("api/v1/balance", BalanceView.as_view(), name="balance"),
    path("api/v1/staff-key", StaffKeyView.as_view(), name="staff-key"),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="api-docs"),
]
