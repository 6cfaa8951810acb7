from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import Q

from accounts.models.account import Account

PERMISSIONS = ["view_logs", "send_sms", "manage_campaigns", "manage_api_keys", "manage_webhooks"]


class PermissionGroup(models.Model):
    """What the users of an account may do (S0-84/85)."""

    name = models.CharField(max_length=64, unique=True)
    description = models.CharField(max_length=200, blank=True)
    active = models.BooleanField(default=True)
    permissions = models.JSONField(default=list, help_text=f"Of: {', '.join(PERMISSIONS)}")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    SUPERADMIN = "superadmin", "Super admin"
    ADMIN = "admin", "Admin"
    ENTERPRISE = "enterprise", "Enterprise user"


class User(AbstractUser):
    """A person who logs in: staff, or a member of one account."""

    role = models.CharField(max_length=12, choices=Role.choices, default=Role.ENTERPRISE)
    account = models.ForeignKey(Account, models.CASCADE, null=True, blank=True, related_name="users")
    permission_group = models.ForeignKey(PermissionGroup, models.PROTECT, null=True, blank=True, related_name="users")
    must_change_password = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="enterprise_users_have_an_account",
                condition=~Q(role="enterprise") | Q(account__isnull=False),
            ),
            models.CheckConstraint(
                name="staff_have_no_account", condition=Q(role="enterprise") | Q(account__isnull=True)
            ),
        ]

    def save(self, *args: Any, **kwargs: Any) -> None:
        """The role alone decides who may enter the admin."""
        self.is_staff = self.role in (Role.SUPERADMIN, Role.ADMIN)
        self.is_superuser = self.role == Role.SUPERADMIN
        super().save(*args, **kwargs)
