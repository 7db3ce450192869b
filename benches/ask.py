#!/usr/bin/env python3
"""benches/ask.py VEX [BACKUPS [RUNS]]: how long status, history, info, diff, peek and list take to answer.

Makes a store of BACKUPS real backups (2 000) of a small SQLite database in a temporary folder, each by a run of
VEX (a release binary), grows the catalog to RUNS runs (100 000) by copies of their rows at earlier moments, and
asks each question seven times. Prints a line a question: the median and the slowest, in milliseconds.
"""
import datetime
import os
import pathlib
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

TIMES = 7
JOB = """
sources {{ sqlite "shop" path="shop.db" }}
stores {{ dir "nas" path="nas" }}
job "nightly" schedule="0 1 * * *" timezone="UTC" {{ dump "shop" {{ send "nas"; verify "nas" }} }}
"""
# The tables that hold the rows of a run, and the column that names it.
TABLES = [("run", "id"), ("step", "run"), ("artifact", "id"), ("copy", "id"), ("proof", "id"), ("backup", "id")]
MOMENTS = {"started", "finished", "at", "created"}


def database(path):
    """A shop of 3 tables and 3 000 rows."""
    shop = sqlite3.connect(path)
    shop.executescript(
        "CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT, city TEXT);"
        "CREATE TABLE product (id INTEGER PRIMARY KEY, name TEXT, price REAL);"
        "CREATE TABLE sale (id INTEGER PRIMARY KEY, customer INTEGER, product INTEGER, moment TEXT);"
    )
    shop.executemany("INSERT INTO customer VALUES (?, ?, ?)", [(i, f"customer {i}", "Manaus") for i in range(1000)])
    shop.executemany("INSERT INTO product VALUES (?, ?, ?)", [(i, f"product {i}", i / 7) for i in range(1000)])
    shop.executemany("INSERT INTO sale VALUES (?, ?, ?, ?)", [(i, i % 97, i % 89, "2026-11-01") for i in range(1000)])
    shop.commit()
    shop.close()


def earlier(text, hours):
    """A moment of the catalog, so many hours earlier."""
    moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00")) - datetime.timedelta(hours=hours)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def grow(path, runs):
    """Copies the rows of the newest run until the catalog has so many runs."""
    catalog = sqlite3.connect(path)
    have, newest = catalog.execute("SELECT count(*), max(id) FROM run").fetchone()
    rows = {}
    for table, own in TABLES:
        found = catalog.execute(f"SELECT * FROM {table} WHERE {own} = ?", (newest,))
        names = [column[0] for column in found.description]
        rows[table] = (names, [dict(zip(names, row)) for row in found.fetchall()])
    for n in range(runs - have):
        # An ID begins with its moment.
        moment = datetime.datetime.strptime(newest[:16], "%Y%m%dT%H%M%SZ") - datetime.timedelta(hours=n % 20000 + 1)
        own_id = f"{moment:%Y%m%dT%H%M%SZ}-{n:08x}"
        for table, own in TABLES:
            names, all_rows = rows[table]
            for row in all_rows:
                row = dict(row)
                row[own] = own_id
                row.pop("number", None) if table == "backup" else None
                for name in MOMENTS & row.keys():
                    row[name] = row[name] and earlier(row[name], n % 20000 + 1)
                if table == "copy":
                    row["object_key"] = f"{row['object_key']}-{n}"
                columns = ", ".join(row)
                marks = ", ".join("?" * len(row))
                catalog.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", tuple(row.values()))
    catalog.commit()
    found = catalog.execute("SELECT count(*) FROM run").fetchone()[0]
    catalog.close()
    return found


def main():
    vex = pathlib.Path(sys.argv[1]).resolve()
    backups = int(sys.argv[2]) if len(sys.argv) > 2 else 2000
    runs = int(sys.argv[3]) if len(sys.argv) > 3 else 100000
    with tempfile.TemporaryDirectory() as folder:
        home = pathlib.Path(folder)
        database(home / "shop.db")
        (home / "job.kdl").write_text(JOB.format())
        own = {**os.environ, "XDG_STATE_HOME": str(home / "state"), "VEX_LANG": "en"}

        def run(*words):
            return subprocess.run([vex, *words], cwd=home, env=own, capture_output=True, text=True)

        for _ in range(backups):
            ended = run("run", "job.kdl", "--quiet")
            if ended.returncode:
                sys.exit(ended.stdout + ended.stderr)
        found = grow(home / "state/vex/catalog.sqlite", runs)
        print(f"{backups} backups in a folder, {found} runs in the catalog; milliseconds, median and slowest of {TIMES}")
        questions = [
            ("status", "job.kdl"),
            ("status", "job.kdl", "--stores"),
            ("history", "job.kdl"),
            ("info", "job.kdl", "latest"),
            ("diff", "job.kdl", "shop"),
            ("peek", "job.kdl", "shop", "shop.sale"),
            ("list", "job.kdl"),
        ]
        for words in questions:
            spent = []
            for _ in range(TIMES):
                began = time.monotonic()
                ended = run(*words)
                spent.append((time.monotonic() - began) * 1000)
                if ended.returncode not in (0, 2):
                    sys.exit(f"vex {' '.join(words)}: {ended.returncode}\n{ended.stdout}{ended.stderr}")
            print(f"{' '.join(words):28} {statistics.median(spent):7.0f} {max(spent):7.0f}")


if __name__ == "__main__":
    main()
