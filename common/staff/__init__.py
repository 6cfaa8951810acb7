"""What every page of the Django admin shares; the apps' admin.py files stay thin."""

from common.staff.admin import GatewayAdmin, ReadOnlyAdmin, ReadOnlyInline, TrafficAdmin, same_id
from common.staff.extensions import Column, Deed, after_creation, extend_list, record_with
from common.staff.fields import CodesField, LinesField, SecretField
from common.staff.lists import NoCountPaginator, OpenOrEnded, Since

__all__ = [
    "CodesField",
    "Column",
    "Deed",
    "GatewayAdmin",
    "LinesField",
    "NoCountPaginator",
    "OpenOrEnded",
    "ReadOnlyAdmin",
    "ReadOnlyInline",
    "SecretField",
    "Since",
    "TrafficAdmin",
    "after_creation",
    "extend_list",
    "record_with",
    "same_id",
]
