from django.db import migrations, models

from common.online_indexes import AddIndexOnline


class Migration(migrations.Migration):
    """Parked receipts are found by the numbers that they name."""

    atomic = False

    dependencies = [
        ('messaging', '0007_unfetched'),
    ]

    operations = [
        AddIndexOnline(
            model_name='receipt',
            index=models.Index(condition=models.Q(('state', 'PARKED')), fields=['carrier_account', 'source'], name='receipt_parked_source'),
        ),
        AddIndexOnline(
            model_name='receipt',
            index=models.Index(condition=models.Q(('state', 'PARKED')), fields=['carrier_account', 'destination'], name='receipt_parked_dest'),
        ),
    ]
