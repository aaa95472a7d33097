"""An application to trace: a query every second, which the library of ddtrace makes a span of, and a line in a log."""

import os
import sqlite3
import time

os.makedirs("/var/log/app", exist_ok=True)
with open("/var/log/app/app.log", "a", buffering=1, encoding="utf-8") as log:
    while True:
        connection = sqlite3.connect(":memory:")
        connection.execute("SELECT 1").fetchall()
        connection.close()
        log.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S')} a query was made\n")
        time.sleep(1)
