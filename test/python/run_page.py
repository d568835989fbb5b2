"""Runs the examples of a page in order, in one namespace, and prints what they found as JSON: run_page.py PAGE FOLDER"""
import contextlib
import json
import os
import re
import sys

page, folder = sys.argv[1:]
with open(page, encoding="utf8") as file:
    examples = re.findall(r"^```py\n(.*?)^```$", file.read(), re.M | re.S)
os.environ.update(HF_HOME=f"{folder}/cache", HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1")
os.chdir(folder)
found = {}
with contextlib.redirect_stdout(sys.stderr):
    for at, example in enumerate(examples):
        exec(compile(example, f"{page}, example {at + 1}", "exec"), found)

    import pyarrow.dataset

    packed = pyarrow.dataset.dataset("packed", format="ipc").to_table()
    try:
        pyarrow.dataset.dataset("former", format="ipc").to_table()
        former = "opened"
    except Exception as error:
        former = type(error).__name__
    try:
        found["nn"].Module().register_parameter("type", None)
        reserved = "free"
    except KeyError:
        reserved = "taken"

print(
    json.dumps(
        {
            "examples": len(examples),
            "weights": {name: list(value.shape) for name, value in found["weights"].items()},
            "ids": found["ids"],
            "batch": found["batch"],
            "rows": found["rows"]["input_ids"],
            "specials": [found["auto"].pad_token, found["auto"].eos_token, found["auto"].mask_token],
            "images": list(found["images"].shape),
            "pixels": found["images"].reshape(-1).tolist(),
            "labels": found["labels"].tolist(),
            "first": {"id": found["first"]["id"], "label": found["first"]["label"], "image": found["first"]["image"]},
            "trained": len(found["train"]),
            "packed": packed["id"].to_pylist(),
            "former": former,
            "reserved": reserved,
            "imagePoints": found["image_points"].tolist(),
            "names": found["names"].tolist(),
        }
    )
)
