"""What dies, is silent or is misconfigured: real processes, a real broker, the real engine (reliability section 2).

    cluster.py, dying.py, proxy.py   what is run and how it is hurt; production code has no failpoints
    sender.py, judge.py              what was promised, and whether it was kept, counted in SQL as the operator
    test_outages.py                  down for a while, silent, wrong password, SIGTERM under load
    test_kafka_kills.py, test_up_kills.py   kill -9 while spans are on the way
    test_lost_part.py                ClickHouse loses a part behind its token (long form)

The short forms run with every other test, the long ones by `make faults`; FAULTS_SEED draws another order of kills.
"""
