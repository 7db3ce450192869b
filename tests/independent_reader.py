"""Reads an artifact by schema/artifact.md alone: no code of vex.

    independent_reader.py CONTAINER.zip [FILE.sqlite [MEMBERS.json]]

Checks head, index and container against each other, and joins the chunks of the one file to FILE.sqlite; writes what the
index says of the members, with the sums of their entries, to MEMBERS.json. What is pressed with zstd or sealed, with the
password in SEAL, is opened by 7zz. Ends with 1 and a sentence at the first thing that is not as written.
"""

import hashlib
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import zipfile

BLANK = b" \t\n\r\x0c"
PROLOGUE = (b"SET ", b"USE ", b"PRAGMA ", b"DELIMITER ", b"BEGIN;", b"COMMIT;", b"SELECT pg_catalog.set_config(", b"-- ")
QUOTED = rb"(?:`(?:[^`]|``)*`|'(?:[^']|'')*')"
LEFT_OUT = re.compile(rb"(?: AUTO_INCREMENT=|/\*!|/\*M!)[0-9]*|\*/|DEFINER=" + QUOTED + rb"(?:@" + QUOTED + rb")? ?")
UNDEFINED = {"rows", "file", "script", "settings", "account", "grants"}
ORDER = {"before": 0, "data": 1, "after": 2}
TEXTS = ["members.ndjson", "README.txt", "LEIA-ME.txt", "manifest.json"]


def demand(fact, sentence):
    if not fact:
        sys.exit(sentence)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def read(path):
    with open(path, "rb") as file:
        return file.read()


def opened(path, info, archive):
    if info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) and not info.flag_bits & 1:
        return archive.read(info)
    # The names of vex hold no sign that 7zz takes for a pattern; its own patterns are switched off all the same.
    seal = ["-p" + os.environ["SEAL"]] if info.flag_bits & 1 else []
    words = ["7zz", "x", "-so", "-spd", *seal, path, info.filename]
    return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True).stdout


def unpressed(data, raw):
    """A frame of Zstandard, as the one entry of a ZIP file; its CRC-32 is not known, its length is."""
    sizes = struct.pack("<III", 0, len(data), raw)
    local = b"PK\x03\x04" + struct.pack("<HHHHH", 63, 0, 93, 0, 33) + sizes + struct.pack("<HH", 1, 0) + b"x"
    entry = b"PK\x01\x02" + struct.pack("<HHHHHH", 63, 63, 0, 93, 0, 33) + sizes
    entry += struct.pack("<HHHHHII", 1, 0, 0, 0, 0, 0, 0) + b"x"
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(entry), len(local) + len(data), 0)
    with tempfile.NamedTemporaryFile(suffix=".zip") as file:
        file.write(local + data + entry + end)
        file.flush()
        words = ["7zz", "x", "-so", file.name]
        return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False).stdout


def definition(text):
    """The hash of the definition in an entry."""
    told = text.splitlines(keepends=True)
    while told and (told[0].startswith(PROLOGUE) or not told[0].strip(BLANK)):
        told.pop(0)
    rest, kept, quote = b"".join(told).strip(BLANK), [], None
    at = 0
    while at < len(rest):
        byte = rest[at:at + 1]
        left = None if quote else LEFT_OUT.match(rest, at)
        if left:
            at = left.end()
            continue
        if quote is None and byte in (b"'", b'"', b"`"):
            quote = byte
        elif quote == byte:
            quote = None
        kept.append(byte)
        at += 1
    return sha256(b"".join(kept))


def lines(text):
    demand(text == b"" or text.endswith(b"\n"), "a line is not ended")
    return [json.loads(line) for line in text.splitlines()]


def frame(index, line, what):
    own = index[line["offset"]:line["offset"] + line["bytes"]]
    demand(sha256(own) == line["sha256"], what + " has another SHA-256")
    text = unpressed(own, line["raw"])
    demand(len(text) == line["raw"], what + " opens to another length")
    return text


def runs(members):
    """The runs of numbers, `[first,last]` each."""
    found = []
    for member in sorted(set(members)):
        if found and member == found[-1][1] + 1:
            found[-1][1] = member
        else:
            found.append([member, member])
    return found


def check_index(head, index):
    """The frames of the index; returns members, and the lines of all entries, those of the index among them."""
    line = head["index"]
    demand(len(index) == line["bytes"], "the index has another size")
    demand(sha256(index) == line["sha256"], "the index has another SHA-256")
    frames = lines(frame(index, line["frames"], "the frame of the frames"))
    members_text = frame(index, line["members"], "the frame of the members")
    end, entries = 0, []
    for own in frames:
        demand(own["offset"] == end, "a frame stands elsewhere")
        end += own["bytes"]
        told = lines(frame(index, own, "a frame of entries"))
        demand("contents" in told[-1] and len(told) == own["entries"] + 1, "a frame has other lines")
        demand(1 <= own["entries"] <= 4096, "a frame has too many entries, or none")
        demand(told[0]["offset"] == own.get("from", 0), "a frame begins elsewhere")
        demand(runs(e["member"] for e in told[:-1]) == own["members"], "a frame is of other members")
        entries += told
    demand(line["members"]["offset"] == end, "the members do not follow the entries")
    demand(line["frames"]["offset"] == end + line["members"]["bytes"], "the frames do not follow the members")
    demand(len(index) == end + line["members"]["bytes"] + line["frames"]["bytes"], "the index goes on")
    return members_text, entries


def check_entry(line, info, whole, end):
    name = line.get("name", line.get("contents"))
    demand(info.filename == name, name + " is not in its place in the directory")
    demand(re.fullmatch(r"[A-Za-z0-9_%~.-]+/[A-Za-z0-9_%~.-]+|index\.\d{5,}\.ndjson", name), "a strange name: " + name)
    demand(line["offset"] == end == info.header_offset, name + " stands elsewhere")
    own = whole[end:end + line["stored"]]
    demand(sha256(own) == line["sha256"], name + " has another SHA-256")
    demand(info.file_size == line["raw"], name + ": another length before compression")
    header = struct.unpack("<IHHHHHIIIHH", own[:30])
    demand(header[0] == 0x04034B50 and header[2] & 8 == 0, name + ": not a header with known sizes")
    demand(header[7] == header[8] == 0xFFFFFFFF, name + ": no zip64 sizes")
    demand(30 + header[9] + header[10] + info.compress_size == line["stored"], name + ": another length")
    demand(info.external_attr >> 16 == 0o100600, name + ": another mode")
    return name


def check_sums(head, members, entries):
    """The sums of members, units and all, from the entries."""
    added = [{"entries": 0, "raw": 0, "rows": 0, "digest": 0} for _ in members]
    for line in entries:
        own, member = added[line["member"]], members[line["member"]]
        demand(("rows" in line) == (member["kind"] == "rows"), line["name"] + ": rows where there are none")
        rows = line.get("rows", {"rows": 0, "digest": "0"})
        own["entries"] += 1
        own["raw"] += line["raw"]
        own["rows"] += rows["rows"]
        own["digest"] = (own["digest"] + int(rows["digest"], 16)) % 2**128
    units = {}
    for member, own in zip(members, added):
        demand((member["entries"], member["raw"]) == (own["entries"], own["raw"]), "a member has other entries")
        told = {"rows": own["rows"], "digest": f"{own['digest']:032x}"}
        demand(member.get("proof") == (told if member["kind"] == "rows" else None), "a member has other rows")
        if member["unit"]:
            unit = units.setdefault(member["unit"], {"tables": 0, "raw": 0, "rows": 0, "digest": 0})
            unit["tables"] += member["kind"] == "table"
            for field in ("raw", "rows", "digest"):
                unit[field] += own[field]
    for name, unit in units.items():
        units[name] = dict(unit, name=name, digest=f"{unit['digest'] % 2**128:032x}")
    demand(list(units.values()) == head["units"], "the units have other sums")
    totals = {field: sum(unit[field] for unit in units.values()) for field in ("tables",)}
    totals.update({field: sum(own[field] for own in added) for field in ("entries", "raw", "rows")})
    totals.update(units=len(units), members=len(members))
    demand(totals == head["totals"], "the totals are others")


def main(path, target=None, told=None):
    whole, sidecar, index = read(path), read(path + ".manifest.json"), read(path + ".index")
    head = json.loads(sidecar)
    demand(len(sidecar) <= 65536, "the head is too large")
    demand(head["format"] == 4 and "needs" not in head, "another format")
    demand(len(head["objects"]) == 1, "not one object")
    object = head["objects"][0]
    demand(object["key"] == head["key"] and path.endswith(head["key"].rsplit("/", 1)[-1]), "another key")
    demand(len(whole) == object["bytes"], "the container has another size")
    demand(sha256(whole) == object["sha256"], "the container has another SHA-256")

    archive = zipfile.ZipFile(path)
    infos = archive.infolist()
    names = [info.filename for info in infos]
    demand(len(set(names)) == len(names), "two entries have one name")
    demand(names[-4:] == TEXTS, "the last entries are others")
    members_text, told_lines = check_index(head, index)
    demand(len(told_lines) == len(infos) - 4, "directory and index differ")
    details, *members = lines(members_text)

    end, phases, numbers, waiting, contents = 0, [], {}, [], 0
    for line, info in zip(told_lines, infos):
        name = check_entry(line, info, whole, end)
        end += line["stored"]
        text = opened(path, info, archive)
        demand(len(text) == line["raw"], name + ": opens to another length")
        if "contents" in line:
            demand(name == f"index.{contents:05}.ndjson", name + " has another number")
            inner = [{k: v for k, v in own.items() if k != "keys"} for own in lines(text)]
            outer = [{k: v for k, v in own.items() if k != "keys"} for own in waiting]
            demand(inner == outer, name + " and the index differ")
            demand("seal" not in head or all("keys" not in own for own in waiting), "keys of rows outside of the seal")
            waiting, contents = [], contents + 1
        else:
            waiting.append(line)
            member = members[line["member"]]
            own = None if member["kind"] in UNDEFINED else definition(text)
            demand(member.get("definition") == own, name + ": another definition")
            phases.append(ORDER[members[line["member"]]["phase"]])
            numbers.setdefault(line["member"], []).append(line["number"])
    demand(waiting == [], "the last entries stand in no list inside")
    demand(phases == sorted(phases), "the entries are not in the order of their phases")
    orders = [ORDER[member["phase"]] for member in members]
    demand(orders == sorted(orders), "the members are not in the order of their phases")
    for found in numbers.values():
        demand(sorted(found) == list(range(len(found))), "the entries of a member are not numbered from 0")
    entries = [line for line in told_lines if "name" in line]
    check_sums(head, members, entries)

    demand(end == object["tail_from"] == infos[-4].header_offset, "the tail does not follow the last entry")
    demand(archive.start_dir == object["directory"], "the directory stands elsewhere")
    demand(sha256(whole[end:]) == object["tail"], "the tail has another SHA-256")
    demand(opened(path, infos[-4], archive) == members_text, "members.ndjson and the index differ")
    for info in infos[-3:-1]:
        demand(info.filename and path.rsplit("/", 1)[-1].encode() in opened(path, info, archive), "a text of another archive")
    inner = json.loads(opened(path, infos[-1], archive))
    demand(inner.get("objects", []) == [] and "index" not in inner, "the inner head knows its own hash")
    for field in set(head) - {"objects", "index", "key"}:
        demand(inner[field] == head[field], "inner head and head differ in " + field)
    for field in ("units", "inconsistent", "not_included", "position"):
        demand((details[field] or None) == (head.get(field) or None), "index and head differ in " + field)

    if target:
        chunks = [i for i, m in enumerate(members) if m["kind"] == "file"]
        demand(len(chunks) == 1, "not one file")
        own = sorted((l for l in entries if l["member"] == chunks[0]), key=lambda l: l["number"])
        with open(target, "wb") as file:
            for line in own:
                file.write(opened(path, infos[names.index(line["name"])], archive))
    if told:
        with open(told, "w", encoding="utf-8") as file:
            json.dump(members, file)


main(*sys.argv[1:])
