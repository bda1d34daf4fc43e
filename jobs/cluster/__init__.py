"""The processes of `manage.py qcluster`, and what each of them does.

    process, thread      started by   what runs in it
    web                  gunicorn     events, control, admin; postgres.notifier tells the clusters
    qcluster's main      manage.py    django-q2's Cluster alone, under ipc.process_tree
    sentinel             main         broker.ping and set_stat, a cluster's row; django_q_adapter
                                      makes what the processes share: worker_table, dispatch
    pusher               sentinel     broker.dequeue: runs.queue, runs.shares, runs.turns,
                                      runs.parking; maintenance.sweeper, turn_repair, cron;
                                      metrics.rollups counts what has ended;
                                      listener hears that a run may be due
      thread `keeper`    pusher       heartbeat: leases renewed, maintenance.lost_workers
      thread `gateway`   pusher       fetch.gateway, fetch.outbox
      thread `pilots`    gateway      platform.http: greenlet_loop, client, connection_pool
      threads `resolve`  pilots       one look-up of a host's name each
    worker, several      sentinel     worker.work: claims from dispatch and its feeds; execution,
                                      up to runs.completion
    monitor              sentinel     nothing of the engine

The processes share memory and pipes (platform.ipc), and no lock that a killed one could keep.
"""
