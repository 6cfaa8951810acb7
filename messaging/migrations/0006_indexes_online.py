from django.db import migrations, models

from common.online_indexes import AddIndexOnline


class Migration(migrations.Migration):
    """Of partitioned tables, while traffic goes on; where 0004 and 0005 had made them, nothing happens."""

    atomic = False

    dependencies = [
        ('messaging', '0005_failover'),
    ]

    operations = [
        AddIndexOnline(
            model_name='receipt',
            index=models.Index(condition=models.Q(('state__in', ['PARKED', 'ORPHAN'])), fields=['carrier_account', 'received_at', 'id'], name='receipt_unmatched'),
        ),
        AddIndexOnline(
            model_name='attempt',
            index=models.Index(condition=models.Q(('provider_key', ''), _negated=True), fields=['provider_key'], name='attempt_provider_key'),
        ),
        AddIndexOnline(
            model_name='part',
            index=models.Index(condition=models.Q(('status', 'SUBMITTED'), ('uncertain_until__isnull', False)), fields=['uncertain_until'], name='part_receipt_due'),
        ),
    ]
