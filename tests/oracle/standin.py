#!/usr/bin/env python3
"""A stand-in for Oracle's `rman` and `sqlplus`, for tests: no real Oracle can be had here.

Called as `rman` or `sqlplus` it parses the documented grammar of the commands that vex uses, and refuses everything else
with the stacks that RMAN has. Called as `ctl` it makes and breaks the database. Behind it is a small model, kept in
$ORACLE_HOME/dbs: data files with blocks and checkpoints, redo, archived logs in a recovery area that fills, incarnations,
and a control file that is RMAN's own record of pieces. A piece is a file with a checksum. So a wrong order, a missing
increment, a piece of another database or a lost log fails as it would in reality.
"""
import fcntl, hashlib, json, os, re, sys, time
from pathlib import Path

HOME = Path(os.environ.get("ORACLE_HOME", "."))
SID = os.environ.get("ORACLE_SID", "")
LOG_BYTES = 1000
msgno = False


class Stack(Exception):
    """Lines of an error stack, the cause last."""
    def __init__(self, *lines):
        self.lines = list(lines)


class Model:
    def __init__(self):
        self.path = HOME / "dbs" / f"model-{SID}.json"
        self.lock = open(HOME / "dbs" / "lock", "a")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.d = json.loads(self.path.read_text()) if self.path.exists() else None

    def save(self):
        fresh = self.path.with_suffix(".new")
        fresh.write_text(json.dumps(self.d))
        os.replace(fresh, self.path)

    def __getattr__(self, name):
        return self.d[name]


def stamp(seconds, form="%Y-%m-%d %H:%M:%S"):
    return time.strftime(form, time.gmtime(seconds))


def utc(seconds):
    return stamp(seconds, "%Y-%m-%dT%H:%M:%SZ")


def say(code, text):
    print(f"RMAN-{code}: {text}" if msgno and code else text, flush=True)


def spfile():
    return HOME / "dbs" / f"spfile{SID}.ora"


# --- the database -------------------------------------------------------------------------------------------------

def create(dbid, area, now):
    files = {str(n): {"ckpt": 1000, "blocks": {}} for n in (1, 2, 3)}
    return {
        "status": "OPEN", "host": "db1.internal", "now": now, "scn": 1000, "files": files, "busy": 0,
        "online": {"seq": 1, "first": 1000, "since": now, "redo": []}, "faults": [], "denied": False, "recovered": None,
        "control": {
            "dbid": dbid, "name": SID, "archivelog": True, "resetlogs": 1, "pieces": [], "archived": [], "sets": 0,
            "config": {"CONTROLFILE AUTOBACKUP": "ON"}, "area": {"path": area, "limit": 10 ** 9}, "files": ["1", "2", "3"],
            "keep": 30,
        },
    }


def work(m, count):
    for _ in range(count):
        m.d["scn"] += 1
        number = str(1 + m.scn % 3)
        if number in m.control.get("readonly", []):
            continue
        block = str(m.scn % 7)
        m.d["files"][number]["blocks"][block] = [m.scn, m.scn]
        m.d["online"]["redo"].append([m.scn, number, block])


def area_used(m):
    return sum(LOG_BYTES for a in m.control["archived"] if not a["deleted"] and Path(a["path"]).exists())


def switch(m):
    c, o = m.control, m.online
    if area_used(m) + LOG_BYTES > c["area"]["limit"]:
        raise Stack("ORA-00257: archiver error. Connect AS SYSDBA only until resolved.",
                    f"ORA-19809: limit exceeded for recovery files")
    m.d["scn"] += 1
    path = Path(c["area"]["path"]) / f"{c['resetlogs']}_1_{o['seq']}.arc"
    path.write_text(json.dumps(o["redo"]))
    c["archived"].append({"seq": o["seq"], "first": o["first"], "next": m.scn, "at": m.now, "path": str(path),
                          "deleted": False, "resetlogs": c["resetlogs"]})
    m.d["online"] = {"seq": o["seq"] + 1, "first": m.scn, "since": m.now, "redo": []}


def digest(body):
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def write_piece(path, body):
    try:
        with open(path, "x") as file:
            json.dump({"sum": digest(body), "body": body, "pad": "0" * 3000}, file)
    except OSError as error:
        raise Stack(f"ORA-19504: failed to create file \"{path}\"", f"ORA-27040: file create error: {error.strerror}")


def read_piece(path):
    if not Path(path).exists():
        raise Stack(f"ORA-19870: error while restoring backup piece {path}",
                    f"ORA-19505: failed to identify file \"{path}\"", "ORA-27037: unable to obtain file status")
    try:
        piece = json.loads(Path(path).read_text())
        good = piece["sum"] == digest(piece["body"])
    except (ValueError, KeyError):
        good = False
    if not good:
        raise Stack(f"ORA-19870: error while restoring backup piece {path}",
                    f"ORA-19599: block number 1 is corrupt in backup piece {path}")
    return piece["body"]


# --- the language of RMAN -----------------------------------------------------------------------------------------

TOKEN = re.compile(r"""\s+|\#[^\n]*|'(?:[^']|'')*'|"[^"]*"|[{};=(),]|[^\s'"{};=(),]+""")


def tokens(text):
    out = [t for t in TOKEN.findall(text) if t.strip() and not t.startswith("#")]
    return out


def syntax(token, expecting):
    kind = "single-quoted-string" if token[:1] == "'" else "identifier" if token else "end-of-file"
    return Stack("RMAN-00558: error encountered while parsing input commands",
                 f"RMAN-01009: syntax error: found \"{kind}\": expecting one of: \"{expecting}\"",
                 "RMAN-01007: at line 1 column 1 file: script")


class Parser:
    def __init__(self, text):
        self.t, self.i = tokens(text), 0

    def peek(self):
        return self.t[self.i] if self.i < len(self.t) else ""

    def take(self):
        self.i += 1
        return self.t[self.i - 1] if self.i <= len(self.t) else ""

    def word(self, *words):
        """Takes these words if they are next."""
        got = [w.upper() for w in self.t[self.i:self.i + len(words)]]
        if got == list(words):
            self.i += len(words)
            return True
        return False

    def need(self, *words):
        for w in words:
            if not self.word(w):
                raise syntax(self.peek(), w.lower())

    def text(self):
        token = self.peek()
        if len(token) < 2 or token[0] not in "'\"":
            raise syntax(token, "single-quoted-string")
        return self.take()[1:-1].replace("''", "'")

    def number(self):
        if not self.peek().isdigit():
            raise syntax(self.peek(), "integer")
        return int(self.take())

    def command(self, in_run=False):
        c = self.one(in_run)
        if c[0] != "run":
            self.need(";")
        return c

    def one(self, in_run):
        if self.word("BACKUP"):
            return self.backup()
        if self.word("RESTORE", "DATABASE"):
            validate = self.word("VALIDATE")
            if validate and self.word("CHECK"):
                self.need("LOGICAL")
            return ("restore", validate)
        if self.word("VALIDATE"):
            self.need("BACKUPSET")
            keys = [self.number()]
            while self.word(","):
                keys.append(self.number())
            if self.word("CHECK"):
                self.need("LOGICAL")
            return ("validate", keys)
        if self.word("RECOVER", "DATABASE"):
            return ("recover",)
        if in_run:
            return self.in_run()
        if self.word("RUN"):
            self.need("{")
            inner = []
            while not self.word("}"):
                inner.append(self.command(True))
            return ("run", inner)
        if self.word("DELETE"):
            return self.delete()
        if self.word("CHANGE"):
            self.need("BACKUPPIECE")
            handle = self.text()
            self.need("UNCATALOG")
            return ("uncatalog", handle)
        if self.word("CROSSCHECK"):
            self.need("BACKUP")
            return ("crosscheck",)
        if self.word("CATALOG"):
            self.need("START", "WITH")
            prefix = self.text()
            self.need("NOPROMPT")
            return ("catalog", prefix)
        if self.word("SET"):
            self.need("DBID")
            return ("dbid", self.number())
        if self.word("STARTUP"):
            force = self.word("FORCE")
            how = "STARTED" if self.word("NOMOUNT") else "MOUNTED" if self.word("MOUNT") else "OPEN"
            return ("startup", force, how)
        if self.word("SHUTDOWN"):
            if not self.word("IMMEDIATE"):
                self.need("ABORT")
            return ("shutdown",)
        if self.word("RESTORE", "SPFILE"):
            self.need("FROM")
            return ("spfile", self.text())
        if self.word("RESTORE", "CONTROLFILE"):
            self.need("FROM")
            return ("controlfile", self.text())
        if self.word("ALTER", "DATABASE"):
            if self.word("MOUNT"):
                return ("mount",)
            self.need("OPEN")
            return ("open", self.word("RESETLOGS"))
        if self.word("CONFIGURE", "CONTROLFILE", "AUTOBACKUP"):
            on = self.word("ON")
            if not on:
                self.need("OFF")
            return ("configure", "CONTROLFILE AUTOBACKUP", "ON" if on else "OFF")
        if self.word("CONFIGURE", "ARCHIVELOG", "DELETION", "POLICY", "TO"):
            rest = []
            while self.peek() not in (";", ""):
                rest.append(self.take().upper())
            return ("configure", "ARCHIVELOG DELETION POLICY", "TO " + " ".join(rest))
        if self.word("EXIT"):
            return ("exit",)
        raise syntax(self.peek(), "alter, backup, catalog, change, configure, crosscheck, delete, exit, restore, run, set, startup")

    def in_run(self):
        if self.word("ALLOCATE", "CHANNEL"):
            name = self.take()
            self.need("DEVICE", "TYPE", "DISK")
            return ("channel", name, self.text() if self.word("FORMAT") else None)
        self.need("SET")
        if self.word("CONTROLFILE"):
            self.need("AUTOBACKUP", "FORMAT", "FOR", "DEVICE", "TYPE", "DISK", "TO")
            return ("autoformat", self.text())
        self.need("UNTIL")
        if self.word("SCN"):
            self.word("=")
            return ("until", "scn", self.number())
        if self.word("SEQUENCE"):
            self.word("=")
            n = self.number()
            self.need("THREAD")
            self.word("=")
            self.number()
            return ("until", "seq", n)
        self.need("TIME")
        self.word("=")
        text = self.text()
        found = re.fullmatch(r"TO_DATE\('(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)','YYYY-MM-DD HH24:MI:SS'\)", text)
        if not found:
            raise Stack("RMAN-03002: failure of set command at " + text, "ORA-01861: literal does not match format string")
        import calendar
        return ("until", "time", calendar.timegm(time.strptime(found[1], "%Y-%m-%d %H:%M:%S")))

    def backup(self):
        o = {"level": None, "cumulative": False, "compressed": False, "tag": None, "section": None, "check": False}
        while True:
            if self.word("INCREMENTAL"):
                self.need("LEVEL")
                self.word("=")
                o["level"] = self.number()
                if o["level"] not in (0, 1):
                    raise Stack("RMAN-06402: incremental level must be 0 or 1")
                o["cumulative"] = self.word("CUMULATIVE")
            elif self.word("AS"):
                o["compressed"] = self.word("COMPRESSED")
                self.need("BACKUPSET")
            elif self.word("CHECK"):
                self.need("LOGICAL")
                o["check"] = True
            elif self.word("TAG"):
                self.word("=")
                o["tag"] = self.text() if self.peek()[:1] in "'\"" else self.take()
                if len(o["tag"]) > 30:
                    raise Stack("RMAN-06413: tag name is too long")
            elif self.word("SECTION"):
                self.need("SIZE")
                size = self.take()
                if not re.fullmatch(r"\d+[KMG]?", size.upper()):
                    raise syntax(size, "integer")
                o["section"] = size
            elif self.word("DATABASE"):
                o["what"] = "database"
                return ("backup", o)
            elif self.word("ARCHIVELOG"):
                self.need("ALL")
                o["what"] = "archivelog"
                if o["level"] is not None or o["section"]:
                    raise syntax("ARCHIVELOG", "database, datafile")
                return ("backup", o)
            else:
                raise syntax(self.peek(), "archivelog, as, check, database, incremental, section, tag")

    def delete(self):
        self.need("NOPROMPT", "ARCHIVELOG", "ALL")
        q = {"before": None, "times": None}
        while self.peek() != ";":
            if self.word("COMPLETED"):
                self.need("BEFORE")
                text = self.text().upper().replace(" ", "")
                found = re.fullmatch(r"SYSDATE(?:-(\d+))?", text)
                if not found:
                    raise Stack("RMAN-20207: UNTIL TIME or RECOVERY WINDOW is before RESETLOGS time")
                q["before"] = int(found[1] or 0)
            elif self.word("BACKED"):
                self.need("UP")
                q["times"] = self.number()
                self.need("TIMES", "TO", "DEVICE", "TYPE", "DISK")
            else:
                raise syntax(self.peek(), "backed, completed")
        return ("delete", q)


# --- what the commands do -----------------------------------------------------------------------------------------

class Rman:
    def __init__(self, m):
        self.m, self.channels, self.until, self.auto, self.dbid = m, [], None, None, None

    def fault(self, name):
        for f in list(self.m.faults):
            if f["at"] == name:
                if f.get("once"):
                    self.m.faults.remove(f)
                for w in f.get("warn", []):
                    print(w, flush=True)
                if f.get("steal"):
                    # Somebody's BACKUP ARCHIVELOG ALL DELETE INPUT.
                    switch(self.m)
                    for a in self.m.control["archived"]:
                        Path(a["path"]).unlink(missing_ok=True)
                        a["deleted"] = True
                if f.get("kill"):
                    self.m.save()
                    os.kill(os.getppid(), 9)
                if f.get("stack"):
                    raise Stack(*f["stack"])

    def run(self, commands):
        for c in commands:
            if c[0] == "exit":
                return
            try:
                self.fault(c[0] if c[0] != "backup" else c[1]["what"])
                getattr(self, "do_" + c[0])(*c[1:])
            except Stack as s:
                name = {"uncatalog": "change"}.get(c[0], c[0])
                if not s.lines[0].startswith(("RMAN-030", "RMAN-00558")):
                    s.lines.insert(0, f"RMAN-03002: failure of {name} command at {stamp(self.m.now, '%m/%d/%Y %H:%M:%S')}")
                raise

    def need(self, *states):
        if self.m.status == "DOWN":
            raise Stack("RMAN-06403: could not obtain a fully authorized session", "ORA-01034: ORACLE not available")
        if self.m.status not in states:
            raise Stack("ORA-01507: database not mounted" if self.m.status == "STARTED" else "ORA-01109: database not open")

    def do_run(self, inner):
        before, had = list(self.channels), [c for c in inner if c[0] == "backup"]
        self.run(inner)
        if had and self.m.control["config"].get("CONTROLFILE AUTOBACKUP") == "ON":
            self.autobackup()
        for name, _ in self.channels[len(before):]:
            say("08031", f"released channel: {name}")
        self.channels, self.until, self.auto = before, None, None

    def do_channel(self, name, form):
        self.need("OPEN", "MOUNTED")
        self.channels.append((name, form))
        say("08030", f"allocated channel: {name}")
        say("08500", f"channel {name}: SID=73 device type=DISK")

    def do_autoformat(self, form):
        if "%F" not in form:
            raise Stack("RMAN-06492: controlfile autobackup format must specify \"%F\"")
        self.auto = form
        say("03027", "executing command: SET CONTROLFILE AUTOBACKUP FORMAT")

    def do_until(self, kind, value):
        self.until = (kind, value)
        say("03029", "executing command: SET until clause")

    def do_configure(self, name, value):
        self.need("OPEN", "MOUNTED")
        self.m.control["config"][name] = value

    def name(self, form, piece):
        c = self.m.control
        if piece == 1:
            c["sets"] += 1
        return form.replace("%U", f"{c['sets']:02x}{self.m.now % 0xffffff:06x}_{piece}_1")

    def piece(self, form, tag, number, body, line):
        c = self.m.control
        handle = self.name(form, number)
        body = {"dbid": c["dbid"], "resetlogs": c["resetlogs"], "at": self.m.now, **body}
        write_piece(handle, body)
        record = {"handle": handle, "tag": tag, "bytes": Path(handle).stat().st_size, "status": "A", "set": c["sets"],
                  "at": self.m.now, "resetlogs": c["resetlogs"], **line}
        c["pieces"].append(record)
        say("08044", f"channel {self.channels[0][0]}: finished piece {number} at {stamp(self.m.now)}")
        say("08530", f"piece handle={handle} tag={tag} comment=NONE")
        self.m.save()
        self.fault("piece")

    def parent(self, number, level1):
        levels = (0, 1) if level1 else (0,)
        known = [p for p in self.m.control["pieces"]
                 if p["status"] == "A" and p.get("kind") == "data" and p["level"] in levels
                 and p["resetlogs"] == self.m.control["resetlogs"] and number in p["files"]]
        return max((p["files"][number]["ckpt"] for p in known), default=None)

    def do_backup(self, o):
        self.need("OPEN", "MOUNTED")
        m, c = self.m, self.m.control
        if not c["archivelog"]:
            raise Stack("RMAN-06149: cannot BACKUP DATABASE in NOARCHIVELOG mode")
        if not self.channels:
            self.channels = [("ORA_DISK_1", str(HOME / "dbs" / "%U"))]
        say("03090", f"Starting backup at {stamp(m.now)}")
        tag = o["tag"] or "TAG" + stamp(m.now, "%Y%m%dT%H%M%S")
        if o["what"] == "archivelog":
            self.archivelog(tag)
        else:
            self.database(tag, o)
        say("03091", f"Finished backup at {stamp(m.now)}")

    def database(self, tag, o):
        m = self.m
        level = o["level"]
        for i, (channel, form) in enumerate(self.channels):
            own = [n for n in m.control["files"] if (int(n) - 1) % len(self.channels) == i]
            if not own:
                continue
            say("08048", f"channel {channel}: starting incremental level {level} datafile backup set")
            ckpt, files = m.scn, {}
            for n in own:
                if n not in m.d["files"]:
                    raise Stack("RMAN-03009: failure of backup command on c1 channel", f"ORA-19625: error identifying file {n}")
                since = 0
                if level == 1:
                    since = self.parent(n, not o["cumulative"])
                    if since is None:
                        say("06755", f"WARNING: no parent backup or copy of datafile {n} found")
                        since = m.d["files"][n].get("created", 0)
                work(m, m.busy)
                blocks = {b: v for b, v in m.d["files"][n]["blocks"].items() if v[0] >= since}
                created = m.d["files"][n].get("created", 1)
                if n in m.control.get("readonly", []):
                    # Nothing is written to its header either.
                    own = m.d["files"][n]["ckpt"]
                    files[n] = {"ckpt": own, "fuzzy": own, "from": since, "created": created, "blocks": blocks}
                    continue
                files[n] = {"ckpt": ckpt, "fuzzy": m.scn, "from": since, "created": created, "blocks": blocks}
                m.d["files"][n]["ckpt"] = m.scn
            facts = {n: {k: f[k] for k in ("ckpt", "fuzzy", "from", "created")} for n, f in files.items()}
            for part in range(1, 3 if o["section"] else 2):
                body = files if part == 1 else {}
                self.piece(form, tag, part, {"kind": "data", "level": level, "files": body},
                           {"kind": "data", "level": level, "files": facts})
            say("08540", f"channel {channel}: backup set complete, elapsed time: 00:00:07")

    def archivelog(self, tag):
        m = self.m
        try:
            switch(m)
        except Stack as s:
            raise Stack("RMAN-03009: failure of backup command on c1 channel", *s.lines)
        say("06496", "current log archived")
        logs = [a for a in m.control["archived"] if not a["deleted"] and a["resetlogs"] == m.control["resetlogs"]]
        for a in logs:
            if not Path(a["path"]).exists():
                raise Stack("RMAN-06059: expected archived log not found, loss of archived log compromises recoverability",
                            f"ORA-19625: error identifying file {a['path']}", "ORA-27037: unable to obtain file status")
        for i, (channel, form) in enumerate(self.channels):
            own = logs[i::len(self.channels)]
            if not own:
                continue
            say("08501", f"channel {channel}: starting archived log backup set")
            kept = [{k: a[k] for k in ("seq", "first", "next", "at")} for a in own]
            redo = [{**k, "redo": json.loads(Path(a["path"]).read_text())} for k, a in zip(kept, own)]
            self.piece(form, tag, 1, {"kind": "logs", "logs": redo}, {"kind": "logs", "logs": kept})
            say("08540", f"channel {channel}: backup set complete, elapsed time: 00:00:01")

    def autobackup(self):
        m, c = self.m, self.m.control
        form = self.auto or str(HOME / "dbs" / "%F")
        self.fault("autobackup")
        say("", f"Starting Control File and SPFILE Autobackup at {stamp(m.now)}")
        number = sum(1 for p in c["pieces"] if p["kind"] == "control")
        handle = form.replace("%F", f"c-{c['dbid']}-{stamp(m.now, '%Y%m%d')}-{number:02x}")
        c["sets"] += 1
        record = {"handle": handle, "tag": "TAG" + stamp(m.now, "%Y%m%dT%H%M%S"), "bytes": 0, "status": "A", "set": c["sets"],
                  "at": m.now, "resetlogs": c["resetlogs"], "kind": "control", "scn": m.scn}
        write_piece(handle, {"dbid": c["dbid"], "resetlogs": c["resetlogs"], "at": m.now, "kind": "control", "control": c, "spfile": True})
        record["bytes"] = Path(handle).stat().st_size
        c["pieces"].append(record)
        say("08503", f"piece handle={handle} comment=NONE")
        say("", f"Finished Control File and SPFILE Autobackup at {stamp(m.now)}")

    def backed_up(self, log):
        return sum(1 for p in self.m.control["pieces"] if p["status"] == "A" and p["kind"] == "logs"
                   and p["resetlogs"] == log["resetlogs"] and any(l["seq"] == log["seq"] for l in p["logs"]))

    def do_delete(self, q):
        self.need("OPEN", "MOUNTED")
        m, c = self.m, self.m.control
        policy = c["config"].get("ARCHIVELOG DELETION POLICY", "TO NONE")
        count = 0
        for a in c["archived"]:
            if a["deleted"] or (q["before"] is not None and a["at"] >= m.now - q["before"] * 86400):
                continue
            if q["times"] is not None:
                # It overrides the policy.
                if self.backed_up(a) < q["times"]:
                    say("08138", f"WARNING: archived log not deleted - must create more backups")
                    continue
            elif "STANDBY" in policy and a["seq"] > c.get("applied", 10 ** 9):
                say("08120", "WARNING: archived log not deleted, not yet applied by standby")
                continue
            Path(a["path"]).unlink(missing_ok=True)
            a["deleted"] = True
            count += 1
            say("08071", "deleted archived log")
            say("08514", f"archived log file name={a['path']} RECID={a['seq']} STAMP={a['at']}")
        say("06064", f"Deleted {count} objects")

    def do_uncatalog(self, handle):
        self.need("OPEN", "MOUNTED")
        found = [p for p in self.m.control["pieces"] if p["handle"] == handle and p["status"] in "AX"]
        if not found:
            raise Stack(f"RMAN-20260: backup piece not found in the recovery catalog",
                        f"RMAN-06092: error while looking up backup piece {handle}")
        for p in found:
            p["status"] = "D"
        say("08073", "uncataloged backup piece")
        say("08517", f"backup piece handle={handle} RECID=1 STAMP=1")

    def do_crosscheck(self):
        self.need("OPEN", "MOUNTED")
        for p in self.m.control["pieces"]:
            if p["status"] in "AX":
                p["status"] = "A" if Path(p["handle"]).exists() else "X"
                say("08074", f"crosschecked backup piece: found to be '{'AVAILABLE' if p['status'] == 'A' else 'EXPIRED'}'")

    def do_catalog(self, prefix):
        self.need("OPEN", "MOUNTED")
        c = self.m.control
        say("07517", f"searching for all files that match the pattern {prefix}")
        folder, start = os.path.split(prefix)
        names = sorted(n for n in os.listdir(folder or ".") if n.startswith(start)) if Path(folder or ".").is_dir() else []
        known = {p["handle"] for p in c["pieces"] if p["status"] == "A"}
        unknown = [os.path.join(folder, n) for n in names if os.path.join(folder, n) not in known]
        if not unknown:
            say("07518", "no files found to be unknown to the database")
            return
        bad = []
        for path in unknown:
            try:
                body = read_piece(path)
            except Stack:
                bad.append((path, "RMAN-07518: Reason: Foreign database file or damaged header"))
                continue
            if body["dbid"] != c["dbid"]:
                bad.append((path, f"RMAN-07518: Reason: Foreign database file DBID: {body['dbid']}"))
                continue
            c["sets"] += 1
            record = {"handle": path, "tag": "CATALOGED", "bytes": Path(path).stat().st_size, "status": "A", "set": c["sets"],
                      "at": body["at"], "resetlogs": body["resetlogs"], "kind": body["kind"], "scn": 0}
            if body["kind"] == "data":
                record.update(level=body["level"], files={n: {k: f[k] for k in ("ckpt", "fuzzy", "from")} for n, f in body["files"].items()})
            if body["kind"] == "logs":
                record["logs"] = [{k: l[k] for k in ("seq", "first", "next", "at")} for l in body["logs"]]
            c["pieces"].append(record)
            say("07511", f"File Name: {path}")
        for path, why in bad:
            print(f"File Name: {path}\n  {why}", flush=True)
        say("07512", "cataloging done")

    def do_dbid(self, number):
        self.dbid = number
        say("03023", "executing command: SET DBID")

    def do_startup(self, force, how):
        m = self.m
        if m.status != "DOWN" and not force:
            raise Stack("RMAN-04014: startup failed: ORA-01081: cannot start already-running ORACLE - shut it down first")
        if m.status != "DOWN":
            m.d["recovered"] = None
        m.d["status"] = "DOWN"
        if not spfile().exists() and not (HOME / "dbs" / f"init{SID}.ora").exists() and m.d.get("lab"):
            raise Stack("RMAN-04014: startup failed: ORA-01078: failure in processing system parameters",
                        f"LRM-00109: could not open parameter file '{HOME}/dbs/init{SID}.ora'")
        if how != "STARTED" and not m.control:
            m.d["status"] = "STARTED"
            raise Stack("ORA-00205: error in identifying control file, check alert log for more info")
        m.d["status"] = how
        say("06196", "Oracle instance started")

    def do_shutdown(self):
        self.need("OPEN", "MOUNTED", "STARTED")
        self.m.d["status"] = "DOWN"
        say("06405", "Oracle instance shut down")

    def do_spfile(self, path):
        self.need("STARTED")
        body = read_piece(path)
        if body["kind"] != "control":
            raise Stack("RMAN-06563: control file or SPFILE must be restored using FROM AUTOBACKUP",
                        "RMAN-06172: no AUTOBACKUP found or specified handle is not a valid copy or piece")
        spfile().write_text("x")
        say("08132", "SPFILE restore from AUTOBACKUP complete")

    def do_controlfile(self, path):
        self.need("STARTED")
        if not spfile().exists():
            raise Stack("ORA-01565: error in identifying file 'spfile'")
        body = read_piece(path)
        if body["kind"] != "control":
            raise Stack("RMAN-06172: no AUTOBACKUP found or specified handle is not a valid copy or piece")
        if self.dbid is not None and self.dbid != body["dbid"]:
            raise Stack("RMAN-06189: current DBID does not match target mounted database")
        self.m.d["control"] = body["control"]
        self.m.d["restored_control"] = True
        for path in self.m.d.get("control_files", []):
            Path(path).write_text("a control file")
            say("08505", f"output file name={path}")
        say("08021", "channel ORA_DISK_1: restoring control file")

    def do_mount(self):
        self.need("STARTED")
        if not self.m.control:
            raise Stack("ORA-00205: error in identifying control file, check alert log for more info")
        name = self.m.d.get("db_name", self.m.control["name"])
        if name != self.m.control["name"]:
            raise Stack(f"ORA-01103: database name '{self.m.control['name']}' in control file is not '{name}'")
        self.m.d["status"] = "MOUNTED"

    def fits(self, at, scn):
        if self.until is None:
            return True
        kind, value = self.until
        return scn <= value if kind == "scn" else at < value if kind == "time" else True

    def available(self, kind):
        c = self.m.control
        return [p for p in c["pieces"] if p["status"] == "A" and p["kind"] == kind and p["resetlogs"] == c["resetlogs"]]

    def do_restore(self, validate):
        if validate:
            self.need("OPEN", "MOUNTED")
        elif self.m.status == "OPEN":
            raise Stack("RMAN-06135: error executing host command", "ORA-19573: cannot obtain exclusive enqueue for datafile 1")
        else:
            self.need("MOUNTED")
        say("03090", f"Starting restore at {stamp(self.m.now)}")
        c = self.m.control
        missing, chosen = [], {}
        for n in c["files"]:
            fit = [p for p in self.available("data") if p["level"] == 0 and n in p["files"]
                   and self.fits(p["at"], p["files"][n]["fuzzy"])]
            if fit:
                chosen[n] = max(fit, key=lambda p: p["files"][n]["ckpt"])
            elif n in c.get("created", {}):
                # The control file knows when it was added: it is made, and redo fills it.
                chosen[n] = None
            else:
                missing.append(n)
        if missing:
            raise Stack("RMAN-06026: some targets not found - aborting restore",
                        *[f"RMAN-06023: no backup or copy of datafile {n} found to restore" for n in missing])
        restored = {}
        for n, p in chosen.items():
            if p is None:
                say("06021", f"creating datafile file number={n}")
                created = c["created"][n]
                restored[n] = {"ckpt": created, "created": created, "fuzzy": created, "blocks": {}}
                continue
            body = read_piece(p["handle"])["files"][n]
            say("08003", f"channel {self.channels[0][0] if self.channels else 'ORA_DISK_1'}: reading from backup piece {p['handle']}")
            restored[n] = {"ckpt": body["ckpt"], "created": body.get("created", 1), "fuzzy": body["fuzzy"], "blocks": body["blocks"]}
        if not validate:
            self.m.d["files"] = restored
        say("03091", f"Finished restore at {stamp(self.m.now)}")

    def do_validate(self, keys):
        self.need("OPEN", "MOUNTED")
        for key in keys:
            own = [p for p in self.m.control["pieces"] if p["set"] == key and p["status"] == "A"]
            if not own:
                raise Stack(f"RMAN-06160: no backup pieces found for backup set key: {key}")
            for p in own:
                say("08098", f"channel vex1: starting validation of {p['kind']} backup set")
                read_piece(p["handle"])
                say("08180", "channel vex1: validation complete, elapsed time: 00:00:01")

    def do_recover(self):
        self.need("MOUNTED")
        m, c = self.m, self.m.control
        say("03090", f"Starting recover at {stamp(m.now)}")
        for n, f in m.d["files"].items():
            for p in sorted((p for p in self.available("data") if p["level"] == 1 and n in p["files"]),
                            key=lambda p: p["files"][n]["ckpt"]):
                own = p["files"][n]
                if own["from"] <= f["ckpt"] < own["ckpt"] and self.fits(p["at"], own["fuzzy"]):
                    body = read_piece(p["handle"])["files"][n]
                    say("08003", f"channel vex1: reading from backup piece {p['handle']}")
                    f["blocks"].update(body["blocks"])
                    f["ckpt"], f["fuzzy"] = body["ckpt"], max(f.get("fuzzy", 0), body["fuzzy"])
        written = [f for n, f in m.d["files"].items() if n not in c.get("readonly", [])]
        scn = min(f["ckpt"] for f in written)
        fuzzy = max(f.get("fuzzy", 0) for f in m.d["files"].values())
        known = {}
        for p in self.available("logs"):
            for l in p["logs"]:
                known.setdefault(l["seq"], {**l, "piece": p["handle"]})
        for a in c["archived"]:
            if not a["deleted"] and a["resetlogs"] == c["resetlogs"] and Path(a["path"]).exists():
                known[a["seq"]] = {**a}
        online = m.online if m.online and not m.d.get("restored_control") else None
        first = min((l["seq"] for l in known.values() if l["next"] > scn), default=None)
        if first is None:
            first = online["seq"] if online else max(known, default=0) + 1
        elif min(l["first"] for l in known.values() if l["next"] > scn) > scn:
            raise self.wants(first - 1, scn)
        seq, complete = first, False
        kind, value = self.until or (None, None)
        while True:
            if kind == "seq" and seq >= value:
                break
            if seq in known:
                l = known[seq]
                if (kind == "scn" and l["first"] >= value) or (kind == "time" and scn >= 0 and l.get("since", 0) >= value):
                    break
                redo = json.loads(Path(l["path"]).read_text()) if "path" in l else next(
                    x["redo"] for x in read_piece(l["piece"])["logs"] if x["seq"] == seq)
                say("08515", f"archived log file name={l.get('path', l.get('piece'))} thread=1 sequence={seq}")
                end = l["next"] if kind != "scn" else min(l["next"], value)
                self.apply(redo, end)
                scn = end
                if (kind == "scn" and l["next"] >= value) or (kind == "time" and l["at"] >= value):
                    break
            elif online and seq == online["seq"]:
                end = m.scn if kind != "scn" else value
                self.apply(online["redo"], end + (kind is None))
                scn, complete = end, kind is None
                break
            else:
                raise self.wants(seq, scn)
            seq += 1
        if scn < fuzzy:
            raise Stack("ORA-01547: warning: RECOVER succeeded but OPEN RESETLOGS would get error below",
                        "ORA-01152: file 1 was not restored from a sufficiently old backup")
        for f in written:
            f["ckpt"] = scn
        m.d["scn"] = max(scn, scn)
        m.d["recovered"] = {"scn": scn, "complete": complete}
        say("08181", f"media recovery complete, elapsed time: 00:00:43")
        say("03091", f"Finished recover at {stamp(m.now)}")

    def apply(self, redo, end):
        for scn, number, block in redo:
            f = self.m.d["files"][number]
            if scn < end and f["blocks"].get(block, [0])[0] < scn:
                f["blocks"][block] = [scn, scn]

    def wants(self, seq, scn):
        return Stack(f"RMAN-06054: media recovery requesting unknown archived log for thread 1 with sequence {seq} and starting SCN of {scn}")

    def do_open(self, resetlogs):
        self.need("MOUNTED")
        m, c = self.m, self.m.control
        done = m.recovered
        if done is None:
            raise Stack("ORA-01113: file 1 needs media recovery", "ORA-01110: data file 1: 'system01.dbf'")
        if resetlogs and done["complete"] and not m.d.get("restored_control"):
            raise Stack("ORA-01139: RESETLOGS option only valid after an incomplete database recovery")
        if not resetlogs and not done["complete"]:
            raise Stack("ORA-01589: must use RESETLOGS or NORESETLOGS option for database open")
        if resetlogs:
            c["resetlogs"] = done["scn"] + 1
            m.d["online"] = {"seq": 1, "first": done["scn"] + 1, "since": m.now, "redo": []}
            m.d["scn"] = done["scn"] + 1
        m.d["status"], m.d["recovered"], m.d["restored_control"] = "OPEN", None, False
        say("06400", "database opened")


def rman(args):
    global msgno
    words, i, file, target = args, 0, None, None
    while i < len(words):
        w = words[i].lower()
        if w == "target":
            target, i = words[i + 1], i + 2
        elif w == "msgno":
            msgno, i = True, i + 1
        elif w in ("cmdfile", "@"):
            file, i = words[i + 1], i + 2
        elif w == "nocatalog":
            i += 1
        else:
            return fail(["RMAN-00552: syntax error in command line arguments", f"RMAN-01009: syntax error: found \"identifier\": expecting one of: \"target, msgno, cmdfile\""])
    with open(HOME / "dbs" / "calls", "a") as calls:
        calls.write("rman " + " ".join(args[:-1]) + "\n" + Path(file).read_text())
    say("", "Recovery Manager: Release 19.0.0.0.0 - Production")
    m = Model()
    if target != "/" or m.d is None or m.denied:
        return fail(["RMAN-00554: initialization of internal recovery manager package failed",
                     "RMAN-04005: error from target database:", "ORA-01031: insufficient privileges"])
    if m.control:
        say("06005", f"connected to target database: {SID} (DBID={m.control['dbid']})")
    say("06009", "using target database control file instead of recovery catalog")
    parser, job = Parser(Path(file).read_text()), Rman(m)
    try:
        job.fault("start")
        m.save()
    except Stack as s:
        m.save()
        return fail(s.lines)
    try:
        while parser.peek():
            command = parser.command()
            if command[0] == "exit":
                break
            job.run([command])
            m.save()
    except Stack as s:
        m.save()
        if not any(l.startswith("RMAN-00558") for l in s.lines) or True:
            return fail(s.lines)
    print("\nRecovery Manager complete.", flush=True)
    return m.d.get("exit", 0)


def fail(lines):
    bar = "RMAN-00571: " + "=" * 59
    for line in [bar, "RMAN-00569: =============== ERROR MESSAGE STACK FOLLOWS ===============", bar, *lines]:
        print(line, flush=True)
    print("\nRecovery Manager complete.", flush=True)
    return 1


# --- sqlplus ------------------------------------------------------------------------------------------------------

def rows(m, sql):
    """The rows of a question, each its fields; only what vex asks is known."""
    c = m.control
    if m.status == "DOWN":
        raise Stack("ERROR at line 1:", "ORA-01034: ORACLE not available", "Process ID: 0")
    if re.fullmatch(r"SELECT status\|\|CHR\(9\)\|\|host_name FROM v\$instance", sql):
        return [[m.status, m.host]]
    if sql == "SELECT value FROM v$parameter WHERE name = 'control_files'":
        return [[", ".join(m.d.get("control_files", []))]]
    if m.status == "STARTED":
        raise Stack("ERROR at line 1:", "ORA-01507: database not mounted")
    instr = re.search(r"INSTR\((?:p\.)?handle, '((?:[^']|'')*)'\) > 0", sql)
    part = instr[1] if instr else None
    own = [p for p in c["pieces"] if p["status"] == "A" and part and part in p["handle"]]
    if sql.startswith("SELECT d.dbid") and sql.endswith("FROM v$database d, v$instance i"):
        mode = {"OPEN": "READ WRITE"}.get(m.status, "MOUNTED")
        return [[c["dbid"], c["name"], "ARCHIVELOG" if c["archivelog"] else "NOARCHIVELOG", mode, c.get("role", "PRIMARY"),
                 c["resetlogs"], m.host, "19.0.0.0.0",
                 m.scn if m.status == "OPEN" else min((f["ckpt"] for n, f in m.d["files"].items() if n not in c.get("readonly", [])), default=0)]]
    if sql == "SELECT name||CHR(9)||value FROM v$rman_configuration":
        return [[k, v] for k, v in c["config"].items()]
    if sql == "SELECT NVL(SUM(bytes), 0) FROM v$datafile":
        return [[c.get("size", 30000)]]
    if sql.endswith("FROM v$recovery_file_dest"):
        return [[c["area"]["path"], c["area"]["limit"], area_used(m), 0]]
    if sql == "SELECT value FROM v$parameter WHERE name = 'control_file_record_keep_time'":
        return [[c["keep"]]]
    if re.fullmatch(r"SELECT handle FROM v\$backup_piece WHERE status = 'A' AND INSTR\(handle, '.*'\) > 0 ORDER BY handle", sql):
        return sorted([p["handle"]] for p in own)
    if sql.startswith("SELECT DISTINCT s.recid FROM v$backup_set s, v$backup_piece p WHERE p.set_stamp = s.set_stamp AND p.set_count = s.set_count AND p.status = 'A' AND "):
        return sorted({(p["set"],) for p in own})
    if sql.startswith("SELECT p.handle||CHR(9)||p.tag||CHR(9)||p.bytes||CHR(9)||p.set_stamp||CHR(9)||p.set_count FROM v$backup_piece p WHERE "):
        return [[p["handle"], p["tag"], p["bytes"], 1000 + p["set"], p["set"]] for p in own]
    if "FROM v$backup_datafile d WHERE EXISTS" in sql:
        out, reached = {}, int(re.search(r"CASE WHEN d\.checkpoint_change# >= (\d+) THEN", sql)[1])
        for p in own:
            if p["kind"] == "data" and p["files"]:
                f = p["files"].values()
                out[p["set"]] = [1000 + p["set"], p["set"], max(map(int, p["files"])), p["level"], max(x["from"] if x["from"] > x["created"] else 0 for x in f),
                                 min((x["ckpt"] for x in f if x["ckpt"] >= reached), default=0), max(x["ckpt"] for x in f), max(max(x["ckpt"], x["fuzzy"]) for x in f), utc(p["at"])]
            if p["kind"] == "control":
                out[p["set"]] = [1000 + p["set"], p["set"], 0, 0, 0, p["scn"], p["scn"], p["scn"], utc(p["at"])]
        return list(out.values())
    if "FROM v$backup_redolog r WHERE EXISTS" in sql:
        found = [[1000 + p["set"], p["set"], 1, l["seq"], l["first"], l["next"], p["resetlogs"], utc(l["at"])]
                 for p in own if p["kind"] == "logs" for l in p["logs"]]
        return sorted(found, key=lambda r: (r[2], r[3]))
    raise Stack("ERROR at line 1:", "ORA-00942: table or view does not exist")


def sqlplus(args):
    if args[:5] != ["-S", "-L", "/", "as", "sysdba"] or not args[5].startswith("@"):
        print("SP2-0306: Invalid option.")
        return 1
    m = Model()
    if m.d is None or m.denied:
        print("ERROR:\nORA-01031: insufficient privileges\n\n\nSP2-0751: Unable to connect to Oracle.  Exiting SQL*Plus")
        return 1
    text = Path(args[5][1:]).read_text()
    head = "SET PAGESIZE 0 FEEDBACK OFF HEADING OFF LINESIZE 32767 TRIMSPOOL ON TAB OFF\nWHENEVER SQLERROR EXIT SQL.SQLCODE\n"
    if not text.startswith(head) or not text.endswith(";\nEXIT\n"):
        print("SP2-0734: unknown command beginning - rest of line ignored.")
        return 1
    sql = text[len(head):-len(";\nEXIT\n")]
    try:
        for row in rows(m, sql):
            print("\t".join(str(f) for f in row))
    except Stack as s:
        print("\n".join([sql, *s.lines]))
        return 94
    return 0


# --- ctl ----------------------------------------------------------------------------------------------------------

def ctl(args):
    global SID, HOME
    HOME, SID, what, rest = Path(args[0]), args[1], args[2], args[3:]
    (HOME / "dbs").mkdir(parents=True, exist_ok=True)
    m = Model()
    if what == "create":
        (HOME / "bin").mkdir(exist_ok=True)
        for name in ("rman", "sqlplus", "oracle"):
            path = HOME / "bin" / name
            path.write_text(f"#!/bin/sh\nexec python3 -I -S {Path(__file__).resolve()} {name} \"$@\"\n")
            path.chmod(0o755)
        area = HOME / "area"
        area.mkdir(exist_ok=True)
        m.d = create(int(rest[0]), str(area), int(rest[1]))
        spfile().write_text("x")
    elif what == "lab":
        # An instance with parameters of its own, and no database.
        m.d = create(0, "", int(rest[0]))
        m.d.update(status="STARTED", control=None, online=None, files={}, lab=True, db_name=rest[1],
                   control_files=[str(HOME.resolve() / "dbs" / f"control-{SID}.ctl")])
        (HOME / "dbs" / f"init{SID}.ora").write_text(f"db_name={rest[1]}")
        spfile().write_text("x")
    elif what == "work":
        work(m, int(rest[0]))
    elif what == "steal":
        # Somebody's BACKUP ARCHIVELOG ALL DELETE INPUT, with no run under way.
        switch(m)
        for a in m.control["archived"]:
            Path(a["path"]).unlink(missing_ok=True)
            a["deleted"] = True
    elif what == "freeze":
        # ALTER TABLESPACE … READ ONLY.
        m.d["scn"] += 1
        m.d["files"][rest[0]]["ckpt"] = m.scn
        m.control.setdefault("readonly", []).append(rest[0])
    elif what == "add":
        # ALTER TABLESPACE … ADD DATAFILE, and rows in it.
        m.d["scn"] += 1
        number = str(len(m.control["files"]) + 1)
        m.control["files"].append(number)
        m.control.setdefault("created", {})[number] = m.scn
        m.d["files"][number] = {"ckpt": m.scn, "created": m.scn, "blocks": {}}
        for block in "12":
            m.d["scn"] += 1
            m.d["files"][number]["blocks"][block] = [m.scn, m.scn]
            m.d["online"]["redo"].append([m.scn, number, block])
    elif what == "switch":
        switch(m)
    elif what == "advance":
        m.d["now"] += int(rest[0])
    elif what == "set":
        target, path = m.d, rest[0].split("/")
        for part in path[:-1]:
            target = target[part]
        target[path[-1]] = json.loads(rest[1])
    elif what == "lose":
        for a in m.control["archived"] if m.control else []:
            Path(a["path"]).unlink(missing_ok=True)
        spfile().unlink(missing_ok=True)
        m.d.update(status="DOWN", files={}, control=None, online=None, scn=0)
    elif what == "crash":
        # The data files are gone, control file and online logs are not.
        m.d.update(status="MOUNTED", files={})
    elif what == "rows":
        print(json.dumps({n: {b: v[1] for b, v in sorted(f["blocks"].items())} for n, f in sorted(m.d["files"].items())}))
        return 0
    elif what == "show":
        print(json.dumps(m.d))
        return 0
    m.save()
    return 0


sys.exit({"rman": rman, "sqlplus": sqlplus, "ctl": ctl, "oracle": lambda _: 1}[sys.argv[1]](sys.argv[2:]))
