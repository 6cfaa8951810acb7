"""Who asks: customers, the people who log in, and machine credentials."""

from accounts.models.account import Account, BillingMode, Group, OverLimit, SenderPolicy
from accounts.models.audit import AuditEntry
from accounts.models.client_bind import ClientBind
from accounts.models.credentials import ApiClient, ApiKey, SmppClient, WebhookEndpoint
from accounts.models.staff_key import StaffKey
from accounts.models.user import PermissionGroup, Role, User

__all__ = [
    "Account",
    "ApiClient",
    "ApiKey",
    "AuditEntry",
    "BillingMode",
    "ClientBind",
    "Group",
    "OverLimit",
    "PermissionGroup",
    "Role",
    "SenderPolicy",
    "SmppClient",
    "StaffKey",
    "User",
    "WebhookEndpoint",
]
