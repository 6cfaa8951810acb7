"""What happens by the clock. Each tick looks at rows and may run twice at once; periods in seconds."""

from common.jobs import Job
from common.queues import Work, work_queue

TICKS: dict[Job, float] = {
    Job("schedule.dispatch", Work.SCHEDULE): 0.5,
    Job("schedule.recover", Work.SCHEDULE): 1.0,
    Job("schedule.expire", Work.SCHEDULE): 5.0,
    Job("alerts.watch_lines", Work.HOUSEKEEPING): 30.0,
    Job("housekeeping.planner", Work.HOUSEKEEPING): 10.0,
    Job("housekeeping.close_unreceipted", Work.HOUSEKEEPING): 300.0,
    Job("housekeeping.dlr_doctor", Work.HOUSEKEEPING): 60.0,
    Job("housekeeping.squash_traffic", Work.HOUSEKEEPING): 60.0,
    Job("housekeeping.purge", Work.HOUSEKEEPING): 300.0,
    Job("housekeeping.partitions", Work.HOUSEKEEPING): 3600.0,
    Job("housekeeping.seal_days", Work.HOUSEKEEPING): 3600.0,
}


def expiry(period: float) -> float:
    """Seconds after which a tick that nobody took is dropped: the next one does its work."""
    return max(period, 5.0)


def schedule() -> dict[str, dict[str, object]]:
    """Celery's beat_schedule, for the embedded process; the fleet's clock is workers.clock."""
    return {
        job.name: {
            "task": job.name,
            "schedule": period,
            "options": {"queue": work_queue(job.queue), "expires": expiry(period)},
        }
        for job, period in TICKS.items()
    }
