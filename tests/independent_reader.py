"""Reads an artifact by schema/artifact.md alone: no code of vex.

    independent_reader.py CONTAINER.zip FILE.sqlite

Checks the container against its sidecar and its directory, and joins the chunks of the one file to FILE.sqlite.
Entries pressed with zstd are opened by 7zz. Ends with 1 and a sentence at the first thing that is not as written.
"""

import hashlib
import json
import re
import struct
import subprocess
import sys
import zipfile


def demand(fact, sentence):
    if not fact:
        sys.exit(sentence)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def opened(path, info, archive):
    if info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return archive.read(info)
    # The names of vex hold no sign that 7zz takes for a pattern; its own patterns are switched off all the same.
    words = ["7zz", "x", "-so", "-spd", path, info.filename]
    return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True).stdout


def main(path, target):
    with open(path, "rb") as file:
        whole = file.read()
    with open(path + ".manifest.json", "rb") as file:
        manifest = json.loads(file.read())
    archive = zipfile.ZipFile(path)
    infos = archive.infolist()

    demand(manifest["format"] == 1, "another format")
    demand(len(whole) == manifest["object"]["bytes"], "the container has another size")
    demand(sha256(whole) == manifest["object"]["sha256"], "the container has another SHA-256")
    demand(infos[-1].filename == "manifest.json", "the last entry is not the manifest")
    names = [info.filename for info in infos]
    demand(len(set(names)) == len(names), "two entries have one name")
    demand(names[:-1] == [line["name"] for line in manifest["entries"]], "directory and manifest differ")

    end, phases, numbers = 0, [], {}
    order = {"before": 0, "data": 1, "after": 2}
    for line, info in zip(manifest["entries"], infos):
        demand(re.fullmatch(r"[A-Za-z0-9_%~.-]+/[A-Za-z0-9_%~.-]+", line["name"]), "a strange name: " + line["name"])
        demand(line["offset"] == end == info.header_offset, line["name"] + " stands elsewhere")
        end += line["stored"]
        own = whole[line["offset"]:end]
        demand(sha256(own) == line["sha256"], line["name"] + " has another SHA-256")
        head = struct.unpack("<IHHHHHIIIHH", own[:30])
        demand(head[0] == 0x04034B50 and head[2] & 8 == 0, line["name"] + ": not a header with known sizes")
        demand(head[7] == head[8] == 0xFFFFFFFF, line["name"] + ": no zip64 sizes")
        demand(30 + head[9] + head[10] + info.compress_size == line["stored"], line["name"] + ": another length")
        demand(info.file_size == line["raw"], line["name"] + ": another length before compression")
        demand(info.external_attr >> 16 == 0o100600, line["name"] + ": another mode")
        member = manifest["members"][line["member"]]
        phases.append(order[member["phase"]])
        numbers.setdefault(line["member"], []).append(line["number"])
        demand(("rows" in line) == (member["kind"] == "rows"), line["name"] + ": rows where there are none")
        demand(len(opened(path, info, archive)) == line["raw"], line["name"] + ": opens to another length")
    demand(phases == sorted(phases), "the entries are not in the order of their phases")
    demand(end == infos[-1].header_offset, "the manifest does not follow the last entry")
    demand(sha256(whole[end:]) == manifest["object"]["tail"], "the tail has another SHA-256")
    for found in numbers.values():
        demand(sorted(found) == list(range(len(found))), "the entries of a member are not numbered from 0")

    inner = json.loads(opened(path, infos[-1], archive))
    demand("object" not in inner, "the inner manifest knows its own hash")
    for field in set(manifest) - {"object", "finished", "key"}:
        demand(inner[field] == manifest[field], "inner manifest and sidecar differ in " + field)

    chunks = [i for i, m in enumerate(manifest["members"]) if m["kind"] == "file"]
    demand(len(chunks) == 1, "not one file")
    own = sorted((l for l in manifest["entries"] if l["member"] == chunks[0]), key=lambda l: l["number"])
    with open(target, "wb") as file:
        for line in own:
            file.write(opened(path, infos[names.index(line["name"])], archive))


main(*sys.argv[1:])
