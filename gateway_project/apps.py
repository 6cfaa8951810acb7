from django.apps import AppConfig


class GatewayProjectConfig(AppConfig):
    name = "gateway_project"
    default_auto_field = "django.db.models.BigAutoField"
