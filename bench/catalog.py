"""The catalog at the size of a city: three thousand resources, taken in from one list."""

import csv
import json
import os
import pathlib
import tempfile
import time
import urllib.request

from result import Results
from server import demo, token

ENTRIES = int(os.environ.get("CATALOG_ENTRIES", 3_000))
ITEMS = 10
MARKET = "11321000990000033R"
"""The department that the made-up resources are of."""


def imported(results: Results, entries: int = ENTRIES) -> None:
    """A department's list of resources in the official columns, sent to the API of a running server."""
    with tempfile.TemporaryDirectory(prefix="tongban-bench-") as name:
        folder = pathlib.Path(name)
        write_resources(folder / "resources.csv", entries)
        with demo(folder / "data") as server:
            bearer = token(folder / "data", "steward")
            taken, first = send(server.address, bearer, folder / "resources.csv")
            again, second = send(server.address, bearer, folder / "resources.csv")
    assert (taken["inserted"], taken["refused"]) == (entries, 0), taken
    assert again["unchanged"] == entries, again
    note = f"{entries} resources of {ITEMS} items, checked, coded and drafted; the same file again {second:.1f} s"
    results.add("catalog_import_s", first, "s", note=note)


def write_resources(path: pathlib.Path, entries: int) -> None:
    head = "类,项分类,目分类,信息资源名称,信息资源代码,信息资源摘要,信息资源格式分类,信息资源格式类型,信息项名称,数据类型,数据长度,共享类型,共享条件/不予共享依据,共享范围,共享方式分类,共享方式类型,是否向社会开放,更新周期,发布日期,备注"
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(head.split(","))
        for entry in range(entries):
            for item in range(ITEMS):
                resource = ["1", "02", "001", f"合成资源{entry}", "", "合成的登记信息，覆盖全市，每日更新。", "数据库", "PostgreSQL"]
                shared = ["有条件共享", "审批核验", "审批部门", "共享平台", "数据库", "否", "每日", "2026/3/1", ""]
                writer.writerow([*resource, f"信息项{item}", "C", "18", *shared])


def send(address: str, bearer: str, path: pathlib.Path) -> tuple[dict, float]:
    """The report, and seconds from the first byte sent to the answer."""
    edge = "tongban-bench"
    part = lambda name, value: f'--{edge}\r\nContent-Disposition: form-data; name="{name}"{value}\r\n'.encode()
    body = part("provider", f"\r\n\r\n{MARKET}")
    body += part("file", '; filename="resources.csv"\r\nContent-Type: text/csv\r\n\r\n' + path.read_text(encoding="utf-8"))
    body += f"--{edge}--\r\n".encode()
    headers = {"Authorization": f"Bearer {bearer}", "Content-Type": f"multipart/form-data; boundary={edge}"}
    request = urllib.request.Request(f"{address}/api/catalog/import", data=body, headers=headers)
    begin = time.monotonic()
    with urllib.request.urlopen(request) as answer:
        return json.load(answer), time.monotonic() - begin
