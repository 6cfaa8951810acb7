"""Nothing is allowed that a view does not name (reliability S2)."""

from typing import Any

from rest_framework.exceptions import MethodNotAllowed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.credentials import Caller
from accounts.staff_keys import StaffCaller


class HasScope(BasePermission):
    """The credential carries the scope that the view names for the method in `scopes`; a view without is closed."""

    callers: type[Caller] | type[StaffCaller] = Caller

    def has_permission(self, request: Request, view: Any) -> bool:
        """Raises Rejected(FORBIDDEN) that names the missing scope; a method that the view has not is 405."""
        if request.method not in view.allowed_methods:
            raise MethodNotAllowed(str(request.method))
        scope = getattr(view, "scopes", {}).get("GET" if request.method == "HEAD" else request.method)
        if scope is None or not isinstance(request.auth, self.callers):
            return False
        request.auth.require(scope)
        return True


class HasStaffScope(HasScope):
    """The same for keys of staff; a customer's credential has no scope here."""

    callers = StaffCaller
