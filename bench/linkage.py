"""Linkage: which of a million records are about the same person, beside Splink on the same file.

Both get the same file of the made-up city, compare by the same blocking rules, and are scored against
the same truth. Splink gets what it has no word for as columns that are ready: the name's pinyin, the
birth as a date, digits of the telephone; making them is not counted for it, while our reading is for us.
"""

import csv
import json
import logging
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

from result import Results

TONGBAN = os.environ.get("TONGBAN", "target/release/tongban")
PEOPLE = int(os.environ.get("LINKAGE_PEOPLE", 860_000))
LEAST = 0.01
"""Pairs below are not kept by either."""
EQUAL = 0.99
"""The threshold at which both are told."""
RANDOM = float(os.environ.get("LINKAGE_RANDOM", 1e6))
"""Random pairs by which Splink measures chance: its default, the quickest; its warning asks for 1e8 and more."""


def link(results: Results, people: int = PEOPLE) -> None:
    """Seconds from file to pairs, peak memory, precision and recall at the same threshold and at the best F1."""
    with tempfile.TemporaryDirectory(prefix="tongban-bench-") as name:
        folder = pathlib.Path(name)
        subprocess.run([TONGBAN, "demo-data", "--people", str(people), "--out", folder / "city"], check=True, stdout=subprocess.DEVNULL)
        truth = read_truth(folder / "city" / "truth.csv")
        records = len(truth)
        command = [TONGBAN, "link", folder / "city" / "community.csv", "--out", folder / "ours", "--keep-from", str(LEAST), "--threads", str(os.cpu_count() or 2), "--json"]
        ours = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        prepare(folder / "city" / "community.csv", folder / "splink.csv")
        peer = subprocess.run([sys.executable, __file__, folder / "splink.csv", folder / "peer.csv"], check=True, capture_output=True, text=True)
        theirs = json.loads(peer.stdout.splitlines()[-1])
        mine = Score(folder / "ours" / "pairs.csv", truth)
        other = Score(folder / "peer.csv", truth)
    note = f"{records} records, {100 * mine.matches / records:.0f} true pairs to 100, {os.cpu_count()} threads, {RANDOM:.0e} random pairs for Splink; at {EQUAL}: precision, recall {mine.at(EQUAL)} beside {other.at(EQUAL)}"
    results.add("linkage_s", ours["seconds"], "s", "splink", theirs["seconds"], note)
    results.add("linkage_peak_mb", ours["peak_mb"], "MB", "splink", theirs["peak_mb"])
    best, peer_best = mine.best(), other.best()
    results.add("linkage_f1", best[0], "", "splink", round(peer_best[0], 4), f"at the best threshold: precision, recall {best[1]:.4f}, {best[2]:.4f} beside {peer_best[1]:.4f}, {peer_best[2]:.4f}")


def read_truth(path: pathlib.Path) -> dict[str, str]:
    """Whom each row of the community's file is about."""
    with path.open(encoding="utf-8", newline="") as source:
        return {f"C{int(row[1]):09}": row[2] for row in csv.reader(source) if row[0] == "community"}


class Score:
    """Pairs in the order of their probability, and whether each is right."""

    def __init__(self, path: pathlib.Path, truth: dict[str, str]) -> None:
        sizes: dict[str, int] = {}
        for subject in truth.values():
            sizes[subject] = sizes.get(subject, 0) + 1
        self.matches = sum(n * (n - 1) // 2 for n in sizes.values())
        pairs = []
        with path.open(encoding="utf-8", newline="") as source:
            for row in csv.DictReader(source):
                sure = 1.0 if row.get("key") == "1" else float(row["probability"])
                pairs.append((sure, truth[row["left"]] == truth[row["right"]]))
        self.pairs = sorted(pairs, reverse=True)

    def at(self, threshold: float) -> str:
        linked = [right for sure, right in self.pairs if sure >= threshold]
        right = sum(linked)
        return f"{right / max(1, len(linked)):.4f}, {right / self.matches:.4f}"

    def best(self) -> tuple[float, float, float]:
        """F1, precision and recall where F1 is largest; pairs of one probability come together."""
        best, right = (0.0, 0.0, 0.0), 0
        for place, (sure, is_right) in enumerate(self.pairs):
            right += is_right
            if place + 1 < len(self.pairs) and self.pairs[place + 1][0] == sure:
                continue
            precision, recall = right / (place + 1), right / self.matches
            f1 = 2 * precision * recall / max(1e-9, precision + recall)
            best = max(best, (f1, precision, recall))
        return best


HALF = str.maketrans({chr(c + 0xFEE0): chr(c) for c in range(0x21, 0x7F)} | {"\u3000": " "})


def prepare(source: pathlib.Path, target: pathlib.Path) -> None:
    """The same file with codes, dates and names brought to one form, and the name's pinyin."""
    from pypinyin import Style, lazy_pinyin

    sounds: dict[str, str] = {}
    with source.open(encoding="utf-8", newline="") as read, target.open("w", encoding="utf-8", newline="") as write:
        out = csv.writer(write)
        out.writerow(["unique_id", "number", "name", "sound", "family", "sex", "birth", "phone", "address"])
        for row in csv.DictReader(read):
            name = re.sub(r"\s", "", row["xm"].translate(HALF))
            if name not in sounds:
                sounds[name] = "".join(lazy_pinyin(name, style=Style.NORMAL))
            phone = re.sub(r"\D", "", row["lxdh"].translate(HALF))
            phone = phone[2:] if len(phone) == 13 and phone.startswith("86") else phone
            birth = date(row["csrq"].translate(HALF))
            number = long_number(row["gmsfhm"].translate(HALF).upper())
            if not birth and is_right(number):
                birth = f"{number[6:10]}-{number[10:12]}-{number[12:14]}"
            out.writerow([row["bh"], number, name, sounds[name], name[:1], row["xbdm"], birth, phone, re.sub(r"[\s-]", "", row["jzdz"])])


def date(text: str) -> str:
    parts = re.findall(r"\d+", text)
    if len(parts) == 1 and len(parts[0]) == 8:
        parts = [parts[0][:4], parts[0][4:6], parts[0][6:]]
    return f"{int(parts[0]):04}-{int(parts[1]):02}-{int(parts[2]):02}" if len(parts) == 3 else ""


def check(body: str) -> str:
    return "10X98765432"[sum(int(d) * w for d, w in zip(body, [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2])) % 11]


def is_right(number: str) -> bool:
    return len(number) == 18 and number[:17].isdigit() and check(number[:17]) == number[17]


def long_number(number: str) -> str:
    if len(number) == 15 and number.isdigit():
        body = number[:6] + "19" + number[6:]
        return body + check(body)
    return number


def splink(source: str, target: str) -> dict:
    """Splink on DuckDB: the same comparisons and rules, trained as its guide says."""
    import duckdb
    import splink.comparison_level_library as cll
    import splink.comparison_library as cl
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    begin = time.monotonic()
    connection = duckdb.connect()
    connection.execute(f"SET threads = {os.cpu_count() or 2}")
    connection.execute(
        "CREATE TABLE records AS SELECT unique_id, nullif(number, '') AS number, nullif(name, '') AS name, nullif(sound, '') AS sound, "
        "nullif(family, '') AS family, nullif(sex, '') AS sex, nullif(birth, '') AS birth, left(nullif(birth, ''), 4) AS year, "
        "right(nullif(birth, ''), 5) AS day, nullif(phone, '') AS phone, nullif(address, '') AS address "
        f"FROM read_csv('{source}', header = true, all_varchar = true)"
    )
    near = lambda column: f"damerau_levenshtein({column}_l, {column}_r) <= 1"
    custom = lambda condition, label: cll.CustomLevel(sql_condition=condition, label_for_charts=label)
    name = cl.CustomComparison(output_column_name="name", comparison_levels=[
        cll.NullLevel("name"),
        cll.ExactMatchLevel("name", term_frequency_adjustments=True),
        custom("sound_l = sound_r", "same sound"),
        custom(f"{near('name')} AND greatest(length(name_l), length(name_r)) > 2", "one edit"),
        cll.ElseLevel(),
    ])
    number = cl.CustomComparison(output_column_name="number", comparison_levels=[
        cll.NullLevel("number"), cll.ExactMatchLevel("number"), custom(near("number"), "one edit"), cll.ElseLevel(),
    ])
    parts = "(CASE WHEN year_l = year_r THEN 1 ELSE 0 END + CASE WHEN left(day_l, 2) = left(day_r, 2) THEN 1 ELSE 0 END + CASE WHEN right(day_l, 2) = right(day_r, 2) THEN 1 ELSE 0 END)"
    swapped = "(year_l = year_r AND left(day_l, 2) = right(day_r, 2) AND right(day_l, 2) = left(day_r, 2))"
    birth = cl.CustomComparison(output_column_name="birth", comparison_levels=[
        cll.NullLevel("birth"), cll.ExactMatchLevel("birth"), custom(f"{parts} = 2 OR {swapped}", "one part"), cll.ElseLevel(),
    ])
    close = lambda least: f"jaccard(address_l, address_r) >= {least}"
    contact = cl.CustomComparison(output_column_name="contact", comparison_levels=[
        custom("(phone_l IS NULL OR phone_r IS NULL) AND (address_l IS NULL OR address_r IS NULL)", "missing").configure(is_null_level=True),
        custom(f"phone_l = phone_r AND {close(0.85)}", "both"),
        custom("phone_l = phone_r", "telephone"),
        custom("address_l = address_r", "address"),
        custom(f"{close(0.85)} OR ({near('phone')})", "nearly"),
        custom(close(0.7), "alike"),
        cll.ElseLevel(),
    ])
    rules = [
        block_on("number"), block_on("phone"), block_on("sound", "birth"), block_on("sound", "year"),
        block_on("sound", "day"), block_on("family", "birth"), block_on("address", "year"),
    ]
    settings = SettingsCreator(
        link_type="dedupe_only", comparisons=[number, name, cl.ExactMatch("sex"), birth, contact],
        blocking_rules_to_generate_predictions=rules, retain_intermediate_calculation_columns=False, retain_matching_columns=False,
    )
    linker = Linker(DuckDBAPI(connection=connection).register("records"), settings, log_level=logging.ERROR)
    linker.training.estimate_probability_two_random_records_match([block_on("number"), block_on("name", "birth", "phone")], recall=0.6)
    linker.training.estimate_u_using_random_sampling(max_pairs=RANDOM, seed=1)
    linker.training.estimate_parameters_using_expectation_maximisation(block_on("number"))
    linker.training.estimate_parameters_using_expectation_maximisation(block_on("sound", "birth"))
    predicted = linker.inference.predict(threshold_match_probability=LEAST)
    connection.execute(f"COPY (SELECT unique_id_l AS \"left\", unique_id_r AS \"right\", match_probability AS probability FROM {predicted.physical_name}) TO '{target}' (HEADER)")
    # Not getrusage: that also remembers the process that started this one.
    status = pathlib.Path("/proc/self/status").read_text()
    peak = int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) / 1024
    return {"seconds": round(time.monotonic() - begin, 2), "peak_mb": round(peak)}


if __name__ == "__main__":
    print(json.dumps(splink(sys.argv[1], sys.argv[2])))
