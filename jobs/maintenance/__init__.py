"""What happens by the clock: lapsed leases, lost workers, cron, retention."""
