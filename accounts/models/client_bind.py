from django.db import models

from accounts.models.credentials import SmppClient


class ClientBind(models.Model):
    """A bind that a customer holds or held: who is bound where, and the history.

    The server that holds it renews `seen_at`; a row that is not renewed belonged to a process that died.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    smpp_client = models.ForeignKey(SmppClient, models.CASCADE, related_name="binds")
    mode = models.CharField(max_length=11)  # transmitter, receiver, transceiver
    version = models.PositiveSmallIntegerField()  # interface_version: 0x33, 0x34, 0x50
    tls = models.BooleanField(default=False)
    address = models.CharField(max_length=45)
    port = models.PositiveIntegerField()
    server = models.CharField(max_length=100)  # host:process
    since = models.DateTimeField()
    seen_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=100, blank=True)
    submitted = models.PositiveBigIntegerField(default=0)
    refused = models.PositiveBigIntegerField(default=0)
    delivered = models.PositiveBigIntegerField(default=0)

    class Meta:
        verbose_name = "client bind"
        verbose_name_plural = "client binds"
        indexes = [
            models.Index(fields=["smpp_client", "-since"], name="client_bind_history"),
            models.Index(fields=["seen_at"], condition=models.Q(ended_at=None), name="client_bind_live"),
        ]

    def __str__(self) -> str:
        return f"{self.smpp_client} {self.mode} from {self.address}"
