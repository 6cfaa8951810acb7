from django.db import migrations, models

from common.online_indexes import AddIndexOnline


class Migration(migrations.Migration):
    """What no client bind fetched is found by its age."""

    atomic = False

    dependencies = [
        ('messaging', '0006_indexes_online'),
    ]

    operations = [
        AddIndexOnline(
            model_name='delivery',
            index=models.Index(condition=models.Q(('smpp_client__isnull', False), ('state', 'PENDING')), fields=['created_at'], name='delivery_unfetched'),
        ),
    ]
