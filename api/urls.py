"""Routes of the API; `Dispatcher` hands the sending ones to the fast lane before Django sees them."""

from django.urls import path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from api.views.alerts import AlertsView
from api.views.balance import BalanceView
from api.views.connector_insight import ConnectorLogView, DlrDoctorView
from api.views.connectors import (
    ConnectorsView,
    ConnectorView,
    DiagnosticsView,
    DrainView,
    RestartView,
    StartView,
    StopView,
)  # fmt: skip
from api.views.messages import MessagesView, MessageView, TraceView
from api.views.sending import PanelSendView, SendView
from api.views.smpp_clients import SmppBindsView, SmppClientsView, SmppLogView
from api.views.staff_key import StaffKeyView

urlpatterns = [
    path("api/v1/http-send", SendView.as_view(), name="http-send"),
    path("panel/api/v1/send", PanelSendView.as_view(), name="panel-send"),
    path("api/v1/messages", MessagesView.as_view(), name="messages"),
    path("api/v1/messages/<str:message_id>", MessageView.as_view(), name="message"),
    path("api/v1/messages/<str:message_id>/trace", TraceView.as_view(), name="message-trace"),
    path("api/v1/balance", BalanceView.as_view(), name="balance"),
    path("api/v1/smpp-clients", SmppClientsView.as_view(), name="smpp-clients"),
    path("api/v1/smpp-clients/<str:system_id>/log", SmppLogView.as_view(), name="smpp-log"),
    path("api/v1/smpp-clients/<str:system_id>/binds", SmppBindsView.as_view(), name="smpp-binds"),
    path("api/v1/staff-key", StaffKeyView.as_view(), name="staff-key"),
    path("api/v1/alerts", AlertsView.as_view(), name="alerts"),
    path("api/v1/connectors", ConnectorsView.as_view(), name="connectors"),
    path("api/v1/connectors/<str:name>", ConnectorView.as_view(), name="connector"),
    path("api/v1/connectors/<str:name>/start", StartView.as_view(), name="connector-start"),
    path("api/v1/connectors/<str:name>/stop", StopView.as_view(), name="connector-stop"),
    path("api/v1/connectors/<str:name>/restart", RestartView.as_view(), name="connector-restart"),
    path("api/v1/connectors/<str:name>/drain", DrainView.as_view(), name="connector-drain"),
    path("api/v1/connectors/<str:name>/diagnostics", DiagnosticsView.as_view(), name="connector-diagnostics"),
    path("api/v1/connectors/<str:name>/log", ConnectorLogView.as_view(), name="connector-log"),
    path("api/v1/connectors/<str:name>/dlr-doctor", DlrDoctorView.as_view(), name="connector-dlr-doctor"),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="api-docs"),
]
