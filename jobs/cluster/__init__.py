"""The processes of `manage.py qcluster`, and what each of them does.

    process, thread      started by   what runs in it
    web                  gunicorn     events, control, admin; postgres.notifier
    sender               an app       events; postgres.notifier
    qcluster's main      manage.py    command; django_q_adapter's EngineCluster
    sentinel             main         django_q_adapter's EngineSentinel: makes shared (worker_table,
                                      dispatch), prepares itself and its forks (process_tree,
                                      query_log, statements); broker.set_stat, a cluster's row
    pusher               sentinel     pusher.dequeue: runs.claiming, shares, free_lines, turns,
                                      line_locks, unclaimable, parking; maintenance.sweeper,
                                      turn_repair, cron; metrics.rollups; listener
      thread `heartbeat` pusher       heartbeat, runs.lease, maintenance.lost_workers
      thread `gateway`   pusher       fetch.gateway, outbox, lease, leased_request
      thread `greenlets` gateway      platform.http: greenlet_loop, client, connection_pool
      threads `resolve`  greenlets    a look-up of a host name each
    worker, several      sentinel     worker.work: claims from dispatch and claim_queues;
                                      execution, up to runs.completion and runs.next_in_line
    monitor              sentinel     nothing of the engine

The processes share memory and pipes (platform.ipc), and no lock that a killed one could keep.
docs/processes.svg shows what passes between them.
"""
